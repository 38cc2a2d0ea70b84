"""Every request gets an ID, every line that is logged about it has that ID, and it is counted."""

from __future__ import annotations

import re
import time
import uuid

import falcon
import structlog

from abaca.observe import metrics

log = structlog.get_logger()
HEADER = "X-OpenStack-Request-ID"
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
OTHER = "other"
"""Routes and methods that there are none of: clients may make up as many as they like."""


class Stamp:
    """Falcon middleware; outermost.

    The ID is always ours. What a client sends as its own in the same header is
    kept beside it as the global request ID, as other services of OpenStack do.
    """

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Before anything else."""
        sent = (req.get_header(HEADER) or "").lower()
        known = {"request_id": f"req-{uuid.uuid4()}"}
        if _REQUEST_ID.fullmatch(sent):
            known["global_request_id"] = sent
        req.context.request_id = known["request_id"]
        req.context.global_request_id = known.get("global_request_id")
        req.context.started = time.monotonic()
        req.context.route = None
        structlog.contextvars.clear_contextvars()  # of the last request of this thread
        structlog.contextvars.bind_contextvars(**known)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, _resource: object, _ok: bool
    ) -> None:
        """After everything else."""
        resp.set_header(HEADER, req.context.request_id)
        resp.set_header("X-Compute-Request-ID", req.context.request_id)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Cache-Control", "no-store")
        took = metrics.since(req.context.started)
        route = req.context.route or req.uri_template or OTHER
        method = req.method if req.method in _METHODS else OTHER
        metrics.request(route, method, resp.status_code, took)
        log.info(
            "request",
            method=req.method,
            path=req.path,
            status=resp.status_code,
            milliseconds=round(took * 1000, 1),
            address=req.remote_addr,
        )
        structlog.contextvars.clear_contextvars()
