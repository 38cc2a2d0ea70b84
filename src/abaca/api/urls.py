"""Where this service is, as its clients see it, and where a client is."""

from __future__ import annotations

import falcon

from abaca.api.settings import ApiSettings


def base_url(req: falcon.Request, settings: ApiSettings) -> str:
    """``http://host:port`` as the client called, or as configured; no trailing slash."""
    if settings.public_endpoint:
        return settings.public_endpoint.rstrip("/")
    if req.remote_addr in settings.trusted_proxy:
        return req.forwarded_prefix
    return req.prefix


def address(req: falcon.Request, settings: ApiSettings) -> str:
    """The client's address: what a trusted proxy says, else who is connected."""
    if req.remote_addr not in settings.trusted_proxy:
        return req.remote_addr
    # Each proxy adds its client at the end; before the first untrusted one anybody may lie.
    route = [hop for hop in req.access_route if hop not in settings.trusted_proxy]
    return route[-1] if route else req.remote_addr
