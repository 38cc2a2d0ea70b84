"""Services, for administrators: which share managers there are, and which the scheduler uses."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, text
from abaca.api.fields import Field, View
from abaca.api.microversion import MAX, V
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import services as db
from abaca.errors import NotFound
from abaca.model.page import Slice
from abaca.model.pool import Service

VIEW: View[Service] = View(
    "service",
    "services",
    (
        Field("id", lambda item: item.id),
        Field("binary", lambda item: item.binary),
        Field("host", lambda item: item.host),
        Field("zone", lambda item: item.availability_zone),
        Field("status", lambda item: "disabled" if item.disabled else "enabled"),
        Field("state", lambda item: "up" if db.is_up(item) else "down"),
        Field("updated_at", lambda item: item.seen_at),
    ),
)
FILTERS = ("host", "binary", "zone", "state", "status")

SWITCH = Body(
    None,
    (
        Key(name="host", check=text(least=1), required=True),
        Key(name="binary", check=text(least=1), required=True),
    ),
)


def index(request: Request) -> dict[str, Any]:
    """Every service, narrowed by the filters."""
    with request.db.read() as tx:
        body = VIEW.many(request, Slice(items=tuple(db.every(tx)), more=False, count=None))
    wanted = {name: request.query[name] for name in FILTERS if name in request.query}
    body["services"] = [
        item
        for item in body["services"]
        if all(item[name] == value for name, value in wanted.items())
    ]
    return body


def enable(request: Request) -> dict[str, Any]:
    """The scheduler may use the service again."""
    return _switch(request, disabled=False)


def disable(request: Request) -> dict[str, Any]:
    """The scheduler passes the service over; what is there goes on working."""
    return _switch(request, disabled=True)


def _switch(request: Request, *, disabled: bool) -> dict[str, Any]:
    host, binary = request.body["host"], request.body["binary"]
    with request.db.write() as tx:
        if not db.switch(tx, host, binary, disabled=disabled):
            raise NotFound(f"Service {binary} on {host} could not be found.")
    return {"host": host, "binary": binary, "disabled": disabled}


RULES = (
    Rule("service:index", ADMIN, "List services."),
    Rule("service:update", ADMIN, "Enable and disable services."),
)


def _routes(base: str, since: V, until: V) -> tuple[Route, ...]:
    index_rule, update_rule = (rule.name for rule in RULES)
    return (
        Route("GET", base, index, index_rule, since=since, until=until),
        Route("PUT", f"{base}/enable", enable, update_rule, 200, SWITCH, since, until),
        Route("PUT", f"{base}/disable", disable, update_rule, 200, SWITCH, since, until),
    )


ROUTES = (*_routes("/os-services", V(2, 0), V(2, 6)), *_routes("/services", V(2, 7), MAX))
