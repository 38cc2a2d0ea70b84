"""``/healthcheck`` and ``/metrics``: how this deployment is, told to whom it concerns.

Everybody is told whether the service works, in one word. Details and metrics are
for administrators: callers on this host that come straight to the port and, for
the healthcheck, tokens of administrators. A listener of their own
(``metrics_listen``) tells whoever can reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any

import falcon
import structlog
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from abaca.api.rendering import write_json
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.errors import NotFound
from abaca.observe.figures import Everything
from abaca.observe.health import Health, HealthCheck, Verdict

log = structlog.get_logger()
MayKnow = Callable[[falcon.Request], bool]
_FORWARDED = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)


def anybody(_req: falcon.Request) -> bool:
    """For a listener that only those reach who may know."""
    return True


def nobody(_req: falcon.Request) -> bool:
    """Where no one is an administrator by what they send along."""
    return False


def straight_from_this_host(req: falcon.Request, settings: ApiSettings) -> bool:
    """True if the caller is on this host, and no proxy that speaks for somebody else.

    A proxy names itself in ``trusted_proxy``, or passes on what the client
    called (``Host``), or says so in a header; one that does none of these makes
    wrong URLs too, unless ``public_endpoint`` is set.
    """
    here = req.env.get("REMOTE_ADDR", "")
    if not _loopback(here) or here in settings.trusted_proxy or settings.public_endpoint:
        return False
    if any(req.get_header(name) is not None for name in _FORWARDED):
        return False
    return _loopback(req.host.strip("[]"))


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class Healthcheck:
    """200 while something works, 503 when nothing does.

    With ``?strict`` it is 503 as soon as anything does not: for monitoring, while
    load balancers must not take every API away because one backend is ill.
    """

    def __init__(self, check: HealthCheck, may_know: MayKnow, is_admin: MayKnow) -> None:
        self._check = check
        self._may_know = may_know
        self._is_admin = is_admin

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The verdict, with details for those who may know."""
        health = self._check()
        strict = "strict" in req.params or req.query_string == "strict"
        bad = {Verdict.FAILED, Verdict.DEGRADED} if strict else {Verdict.FAILED}
        failed = health.verdict in bad
        if health.verdict is Verdict.FAILED:
            log.warning("unhealthy", **_document(health))
        # Who the owner of a token is, is in the database too: not asked if that may hang.
        if self._may_know(req) or (health.database.error is None and self._is_admin(req)):
            write_json(resp, _document(health), 503 if failed else 200)
            return
        resp.status = 503 if failed else 200
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "UNAVAILABLE" if failed else "OK"


def _document(health: Health) -> dict[str, Any]:
    backends = [{**asdict(item), "ok": item.ok} for item in health.backends]
    return {"status": str(health.verdict), **asdict(health), "backends": backends}


class Metrics:
    """All metrics in Prometheus's text form; for everybody else there is no such page."""

    def __init__(self, metrics: Collector, may_know: MayKnow) -> None:
        self._metrics = metrics
        self._may_know = may_know

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Now."""
        if not self._may_know(req):
            raise NotFound("The resource could not be found.")
        resp.content_type = CONTENT_TYPE_PLAIN_0_0_4
        resp.data = generate_latest(self._metrics)


def add_observation(
    app: falcon.App[Any, Any],
    db: Database,
    *,
    may_know: MayKnow,
    is_admin: MayKnow,
    hosts: Collection[str] | None = None,
) -> None:
    """``/healthcheck`` and ``/metrics``; ``hosts`` as in `HealthCheck`."""
    app.add_route("/healthcheck", Healthcheck(HealthCheck(db, hosts), may_know, is_admin))
    app.add_route("/metrics", Metrics(Everything(db), may_know))
