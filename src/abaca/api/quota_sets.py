"""Quota sets: the limits of a project, of one of its users, or of a share type in it.

A user's limit is part of the project's. ``user_id`` and (since 2.39)
``share_type`` of the query choose whose limits are meant.
"""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, anything, boolean
from abaca.api.microversion import MAX, V
from abaca.api.policy import ADMIN, READER, Rule
from abaca.api.quota_limits import LIMIT_KEYS, shown_at
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.context import Version
from abaca.db import quotas as db
from abaca.db import share_types
from abaca.db.database import Tx
from abaca.errors import BadRequest, NotFound
from abaca.model.quota import NOT_PER_TYPE, UNLIMITED, Resource, Scope
from abaca.share import quota

RENAMED = V(2, 7)
PER_TYPE = V(2, 39)
UPDATE = Body(
    "quota_set",
    (
        *LIMIT_KEYS,
        Key(name="force", check=boolean()),
        Key(name="tenant_id", check=anything()),
        Key(name="id", check=anything()),
    ),
    strict=True,
)


def show(request: Request) -> dict[str, Any]:
    """The limits in force."""
    _require_project(request)
    with request.db.read() as tx:
        limits = quota.limits(tx, _scope(request, tx), request.settings.quota_limits)
    return _body(request, {name: limits[name] for name in limits})


def detail(request: Request) -> dict[str, Any]:
    """The limits in force, each with what is used of it."""
    _require_project(request)
    with request.db.read() as tx:
        found = quota.usages(tx, _scope(request, tx), request.settings.quota_limits)
    # Nothing is reserved: what was accepted is a row already, and counts as used.
    return _body(
        request,
        {
            name: {"limit": usage.limit, "in_use": usage.in_use, "reserved": 0}
            for name, usage in found.items()
        },
    )


def defaults(request: Request) -> dict[str, Any]:
    """What holds for a project without limits of its own."""
    with request.db.read() as tx:
        limits = quota.default_limits(tx, request.settings.quota_limits)
    return _body(request, {name: limits[name] for name in limits})


def update(request: Request) -> dict[str, Any]:
    """Set limits; those not named stay."""
    wanted = {
        Resource(name): limit
        for name, limit in request.body.items()
        if name in set(Resource) and limit is not None
    }
    with request.db.write() as tx:
        scope = _scope(request, tx)
        if not request.body.get("force"):
            _check(request, tx, scope, wanted)
        if scope.share_type_id and NOT_PER_TYPE & wanted.keys():
            name = min(NOT_PER_TYPE & wanted.keys())
            raise BadRequest(f"{name} can't be limited per share type.")
        db.set_limits(tx, scope, wanted)
        limits = quota.limits(tx, scope, request.settings.quota_limits)
    body = _body(request, {name: limits[name] for name in limits})
    del body["quota_set"]["id"]
    return body


def delete(request: Request) -> None:
    """Back to the defaults."""
    with request.db.write() as tx:
        db.forget_limits(tx, _scope(request, tx))


def _check(request: Request, tx: Tx, scope: Scope, wanted: dict[Resource, int]) -> None:
    """`BadRequest` for a limit below what is used, or above the project's."""
    whole = Scope(project_id=scope.project_id)
    most = quota.limits(tx, whole, request.settings.quota_limits)
    for resource, limit in wanted.items():
        used = db.used(tx, scope, resource)
        if limit != UNLIMITED and used > limit:
            raise BadRequest(
                f"{resource}={limit}: {used} are used already; give at least that, or force."
            )
        above = limit == UNLIMITED or limit > most[resource]
        if scope != whole and most[resource] != UNLIMITED and above:
            raise BadRequest(
                f"{resource}={limit}: the project's is {most[resource]}; give no more, or force."
            )


def _scope(request: Request, tx: Tx) -> Scope:
    project_id = request.params["project"]
    user_id, named = request.query.get("user_id"), request.query.get("share_type")
    if named and request.version < PER_TYPE:
        raise BadRequest(f"share_type is known from version {PER_TYPE} on.")
    if named and user_id:
        raise BadRequest("Give user_id or share_type, not both.")
    if not named:
        return Scope(project_id=project_id, user_id=user_id or "")
    found = share_types.find(tx, named)
    if found is None:
        raise NotFound(f"Share type {named} could not be found.")
    return Scope(project_id=project_id, share_type_id=found.id)


def _require_project(request: Request) -> None:
    """Another project's limits are for administrators."""
    request.require("quota_set:show", request.params["project"])


def _body(request: Request, values: dict[Resource, Any]) -> dict[str, Any]:
    shown = {str(name): values[name] for name in shown_at(request.version) if name in values}
    return {"quota_set": {"id": request.params["project"], **shown}}


RULES = (
    Rule("quota_set:show", READER, "See the limits of the project."),
    Rule("quota_set:update", ADMIN, "Set the limits of a project."),
    Rule("quota_set:delete", ADMIN, "Set the limits of a project back to the defaults."),
)


def _routes(base: str, since: Version, until: Version) -> tuple[Route, ...]:
    one = f"{base}/{{project}}"
    return (
        Route("GET", one, show, "quota_set:show", since=since, until=until),
        Route("GET", f"{one}/defaults", defaults, "quota_set:show", since=since, until=until),
        Route("PUT", one, update, "quota_set:update", 200, UPDATE, since, until),
        Route("DELETE", one, delete, "quota_set:delete", 202, None, since, until),
    )


ROUTES = (
    *_routes("/os-quota-sets", V(2, 0), V(2, 6)),
    *_routes("/quota-sets", RENAMED, MAX),
    Route("GET", "/quota-sets/{project}/detail", detail, "quota_set:show", since=V(2, 25)),
)
