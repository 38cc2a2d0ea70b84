"""Quota class sets, for administrators: the class ``default`` holds for every project."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, anything
from abaca.api.microversion import MAX, V
from abaca.api.policy import ADMIN, Rule
from abaca.api.quota_limits import LIMIT_KEYS, shown_at
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.context import Version
from abaca.db import quotas as db
from abaca.db.database import Tx
from abaca.model.quota import Resource
from abaca.share import quota

UPDATE = Body(
    "quota_class_set",
    (
        *LIMIT_KEYS,
        Key(name="class_name", check=anything()),
        Key(name="id", check=anything()),
    ),
    strict=True,
)


def show(request: Request) -> dict[str, Any]:
    """The limits of the class; where it has none of its own, the defaults."""
    with request.db.read() as tx:
        body = _body(request, tx)
    return {"quota_class_set": {"id": request.params["name"], **body}}


def update(request: Request) -> dict[str, Any]:
    """Set limits of the class; those not named stay."""
    wanted = {
        Resource(name): limit
        for name, limit in request.body.items()
        if name in set(Resource) and limit is not None
    }
    with request.db.write() as tx:
        db.set_class_limits(tx, request.params["name"], wanted)
        return {"quota_class_set": _body(request, tx)}


def _body(request: Request, tx: Tx) -> dict[str, int]:
    limits = quota.default_limits(tx, request.settings.quota_limits)
    limits |= db.class_limits(tx, request.params["name"])
    return {str(name): limits[name] for name in shown_at(request.version)}


RULES = (
    Rule("quota_class_set:show", ADMIN, "See the limits of a quota class."),
    Rule("quota_class_set:update", ADMIN, "Set the limits of a quota class."),
)


def _routes(base: str, since: Version, until: Version) -> tuple[Route, ...]:
    one = f"{base}/{{name}}"
    return (
        Route("GET", one, show, "quota_class_set:show", since=since, until=until),
        Route("PUT", one, update, "quota_class_set:update", 200, UPDATE, since, until),
    )


ROUTES = (
    *_routes("/os-quota-class-sets", V(2, 0), V(2, 6)),
    *_routes("/quota-class-sets", V(2, 7), MAX),
)
