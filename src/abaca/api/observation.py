"""``/healthcheck`` and ``/metrics``: how this deployment is, told to whom it concerns.

Everybody is told whether the service works, in one word. Details and metrics are
for administrators' tokens, wherever they come from: behind a proxy everybody is
local. A listener of their own (``metrics_listen``) tells whoever can reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import falcon
import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from abaca.api.rendering import write_json
from abaca.db.database import Database
from abaca.errors import NotFound
from abaca.observe.figures import Everything
from abaca.observe.health import Health, HealthCheck, Verdict

log = structlog.get_logger()
IsAdmin = Callable[[falcon.Request], bool]


class Healthcheck:
    """200 while something works, 503 when nothing does.

    With ``?strict`` it is 503 as soon as anything does not: for monitoring, while
    load balancers must not take every API away because one backend is ill.
    """

    def __init__(self, check: HealthCheck, is_admin: IsAdmin | None) -> None:
        self._check = check
        self._is_admin = is_admin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The verdict, with details for those who may know."""
        health = self._check()
        strict = "strict" in req.params or req.query_string == "strict"
        bad = {Verdict.FAILED, Verdict.DEGRADED} if strict else {Verdict.FAILED}
        failed = health.verdict in bad
        if health.verdict is Verdict.FAILED:
            log.warning("unhealthy", **_document(health))
        if self._may_know(req, health):
            write_json(resp, _document(health), 503 if failed else 200)
            return
        resp.status = 503 if failed else 200
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "UNAVAILABLE" if failed else "OK"

    def _may_know(self, req: falcon.Request, health: Health) -> bool:
        if self._is_admin is None:
            return True
        # Whose a token is, is in the database too: not asked if that may hang.
        return health.database.error is None and self._is_admin(req)


def _document(health: Health) -> dict[str, Any]:
    backends = [{**asdict(item), "ok": item.ok} for item in health.backends]
    return {"status": str(health.verdict), **asdict(health), "backends": backends}


class Metrics:
    """All metrics in Prometheus's text form; for everybody else there is no such page."""

    def __init__(self, metrics: Collector, is_admin: IsAdmin | None) -> None:
        self._metrics = metrics
        self._is_admin = is_admin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Now."""
        if self._is_admin is not None and not self._is_admin(req):
            raise NotFound("The resource could not be found.")
        resp.content_type = CONTENT_TYPE_PLAIN_0_0_4
        resp.data = generate_latest(self._metrics)


def add_observation(
    app: falcon.App[Any, Any],
    db: Database,
    *,
    is_admin: IsAdmin | None,
    hosts: Collection[str] | None = None,
) -> None:
    """``/healthcheck`` and ``/metrics``; ``hosts`` as in `HealthCheck`.

    ``is_admin``: who may know all; None where everybody may who reaches the port.
    """
    app.add_route("/healthcheck", Healthcheck(HealthCheck(db, hosts), is_admin))
    app.add_route("/metrics", Metrics(Everything(db), is_admin))
