"""Answers on the wire: JSON, and errors in the API's own form."""

from __future__ import annotations

import falcon
import msgspec

from abaca.api.microversion import MAX, MIN
from abaca.errors import AbacaError, NotAcceptable, OverLimit, ServiceUnavailable, TooManyRequests

_encoder = msgspec.json.Encoder()
RETRY_SECONDS = 2


def encoded(body: object) -> bytes:
    """As JSON."""
    return _encoder.encode(body)


def write_json(resp: falcon.Response, body: object, status: int) -> None:
    """The body as JSON; no body at all where it is None."""
    resp.status = status
    if body is None:
        return
    resp.data = encoded(body)
    resp.content_type = falcon.MEDIA_JSON


def write_error(resp: falcon.Response, error: AbacaError, *, keystone: bool = False) -> None:
    """``{"badRequest": {"code": 400, "message": ...}}``: what the caller may be told.

    ``keystone``: in the form of the Identity API, ``{"error": {...}}``.
    """
    body: dict[str, object] = {"code": error.status, "message": error.told}
    if isinstance(error, NotAcceptable):
        body |= {"min_version": str(MIN), "max_version": str(MAX)}
    if keystone:
        body["title"] = falcon.code_to_http_status(error.status).partition(" ")[2]
    write_json(resp, {"error" if keystone else error.kind: body}, error.status)
    seconds = retry_after(error)
    if seconds is not None:
        resp.set_header("Retry-After", str(seconds))


def retry_after(error: AbacaError) -> int | None:
    """Seconds after which the same request may succeed, where waiting helps at all."""
    if isinstance(error, TooManyRequests):
        return error.retry_after
    if isinstance(error, ServiceUnavailable):
        return RETRY_SECONDS
    # The API's 413 always carries the header; clients read 0 as "not by waiting".
    return 0 if isinstance(error, OverLimit) else None
