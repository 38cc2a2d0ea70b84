"""Share types: what a request may ask of a backend."""

from __future__ import annotations

import ast
from typing import Any

from abaca.api.bodies import Body, Key, boolean, mapping, name, text
from abaca.api.fields import Field, View
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, ANYONE, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route
from abaca.db import share_types as db
from abaca.errors import BadRequest, NotFound
from abaca.model.share_type import ShareType
from abaca.share import extra_specs, share_types

OLD_PUBLIC = "os-share-type-access:is_public"
PUBLIC = "share_type_access:is_public"
SEE_SPECS = "share_types_extra_spec:index"

VIEW: View[ShareType] = View(
    "share_type",
    "share_types",
    (
        Field("id", lambda item: item.id),
        Field("name", lambda item: item.name),
        Field(OLD_PUBLIC, lambda item: item.is_public, until=V(2, 6)),
        Field(PUBLIC, lambda item: item.is_public, since=V(2, 7)),
        Field(
            "required_extra_specs",
            lambda item: {k: v for k, v in item.extra_specs.items() if k in extra_specs.REQUIRED},
        ),
        Field("description", lambda item: item.description, since=V(2, 41)),
    ),
)


def _shown_specs(request: Request, item: ShareType) -> dict[str, str]:
    """All of them to administrators; to others what concerns them, with defaults since 2.24."""
    if request.may(SEE_SPECS):
        return dict(item.extra_specs)
    shown = {k: v for k, v in item.extra_specs.items() if k in extra_specs.TENANT_VISIBLE}
    if request.version >= V(2, 24):
        for key in extra_specs.SUPPORTS:
            shown.setdefault(key, "False")
    return shown


def _is_default(request: Request, item: ShareType) -> bool:
    return request.settings.default_share_type in {item.id, item.name}


def _render(request: Request, item: ShareType) -> dict[str, Any]:
    shown = VIEW.render(request, item) | {"extra_specs": _shown_specs(request, item)}
    if request.version >= V(2, 46):
        shown["is_default"] = _is_default(request, item)
    return shown


def _one(request: Request, item: ShareType) -> dict[str, Any]:
    """Under both names: the old one is in every version."""
    shown = _render(request, item)
    return {"share_type": shown, "volume_type": shown}


def index(request: Request) -> dict[str, Any]:
    """Types that the caller may use; administrators choose with ``is_public``."""
    wanted = _wanted_specs(request) if request.version >= V(2, 43) else None
    with request.db.read() as tx:
        found = db.list_all(
            tx,
            is_public=_is_public(request) if request.ctx.is_admin else True,
            project_id=request.ctx.project_id,
            extra_specs=wanted,
        )
    shown = [_render(request, item) for item in found]
    return {"share_types": shown, "volume_types": shown}


def _is_public(request: Request) -> bool | None:
    """None: both kinds."""
    if request.query.get("is_public", "").lower() in {"all", "none"}:
        return None
    return request.query.boolean("is_public", default=True)


def _wanted_specs(request: Request) -> dict[str, str] | None:
    """``extra_specs={'key': 'value'}``, as clients write it; only what the caller may see."""
    given = request.query.get("extra_specs")
    if not given:
        return None
    try:
        wanted = ast.literal_eval(given)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict) or not all(isinstance(key, str) for key in wanted):
        raise BadRequest(f"extra_specs={given!r}: give {{'key': 'value'}}.")
    hidden = sorted(set(wanted) - extra_specs.TENANT_VISIBLE)
    if hidden and not request.may(SEE_SPECS):
        raise BadRequest(f"extra_specs: {hidden[0]} is not one to filter by.")
    return extra_specs.checked(wanted)


def show(request: Request) -> dict[str, Any]:
    """One type, or ``default``."""
    with request.db.read() as tx:
        return _one(request, share_types.visible(tx, request.ctx, request.params["share_type_id"]))


def default(request: Request) -> dict[str, Any]:
    """The type that requests get that name none."""
    configured = request.settings.default_share_type
    if configured is None:
        raise NotFound("Default share type not found: default_share_type is not configured.")
    with request.db.read() as tx:
        return _one(request, share_types.resolve(tx, request.ctx, None, configured))


def create(request: Request) -> dict[str, Any]:
    """Make a type."""
    body = request.body
    if body.get("description") and request.version < V(2, 41):
        raise BadRequest("description is known from version 2.41 on.")
    specs = dict(body.get("extra_specs") or {})
    if request.version < V(2, 24):
        # Before it was an extra spec to choose, every type had it; and what could
        # be snapshotted could be copied.
        specs.setdefault(extra_specs.SNAPSHOT, "True")
        specs.setdefault(extra_specs.FROM_SNAPSHOT, specs[extra_specs.SNAPSHOT])
    made = share_types.create(
        request.db,
        name=body["name"],
        description=body.get("description"),
        is_public=body.get("is_public", True),
        specs=specs,
    )
    return _one(request, made)


def update(request: Request) -> dict[str, Any]:
    """Change name, description or who may use it."""
    values = {k: v for k, v in request.body.items() if v is not None}
    if not values:
        raise BadRequest(f"Give at least one of name, description, {PUBLIC}.")
    return _one(request, share_types.update(request.db, request.params["share_type_id"], values))


def delete(request: Request) -> None:
    """Remove a type that no share uses."""
    share_types.delete(request.db, request.params["share_type_id"])


def specs_index(request: Request) -> dict[str, Any]:
    """All extra specs of a type."""
    return {"extra_specs": _specs(request)}


def specs_show(request: Request) -> dict[str, Any]:
    """One extra spec."""
    key, specs = request.params["key"], _specs(request)
    if key not in specs:
        raise NotFound(f"There is no extra spec {key}.")
    return {key: specs[key]}


def specs_set(request: Request) -> dict[str, Any]:
    """Set several; answers those."""
    given = request.body["extra_specs"]
    changed = share_types.set_specs(request.db, request.params["share_type_id"], given)
    return {"extra_specs": {key: changed.extra_specs[key] for key in given}}


def specs_update(request: Request) -> dict[str, Any]:
    """Set the one that the path names; it is the only key of the body."""
    key, given = request.params["key"], request.body["all"]
    if set(given) != {key}:
        raise BadRequest(f'Give a body with exactly the key of the path: {{"{key}": "value"}}.')
    changed = share_types.set_specs(request.db, request.params["share_type_id"], given)
    return {key: changed.extra_specs[key]}


def specs_unset(request: Request) -> None:
    """Remove one."""
    keep = frozenset({extra_specs.SNAPSHOT}) if request.version < V(2, 24) else frozenset[str]()
    share_types.unset_spec(
        request.db, request.params["share_type_id"], request.params["key"], keep=keep
    )


def _specs(request: Request) -> dict[str, str]:
    with request.db.read() as tx:
        return dict(
            share_types.visible(tx, request.ctx, request.params["share_type_id"]).extra_specs
        )


def access_index(request: Request) -> dict[str, Any]:
    """Which projects may use a private type."""
    with request.db.read() as tx:
        found = share_types.visible(tx, request.ctx, request.params["share_type_id"])
        if found.is_public:
            raise NotFound("A public share type has no list of projects.")
        projects = db.projects(tx, found.id)
    return {"share_type_access": [{"share_type_id": found.id, "project_id": p} for p in projects]}


def access_add(request: Request) -> None:
    """Let a project use a private type."""
    share_types.add_access(request.db, request.params["share_type_id"], request.body["project"])


def access_remove(request: Request) -> None:
    """Stop letting a project use a private type."""
    share_types.remove_access(request.db, request.params["share_type_id"], request.body["project"])


_PUBLIC_KEYS = (
    # Clients send the old name at every version.
    Key(name=OLD_PUBLIC, check=boolean(), nullable=False, into="is_public"),
    Key(name=PUBLIC, check=boolean(), nullable=False, into="is_public"),
)
CREATE = Body(
    "share_type",
    (
        Key(name="name", check=name(), required=True),
        Key(name="description", check=text()),
        Key(name="extra_specs", check=mapping()),
        *_PUBLIC_KEYS,
    ),
    aliases=("volume_type",),
)
UPDATE = Body(
    "share_type",
    (
        Key(name="name", check=name(), nullable=False),
        Key(name="description", check=text()),
        *_PUBLIC_KEYS,
    ),
)
SET_SPECS = Body(None, (Key(name="extra_specs", check=mapping(), required=True),))
ONE_SPEC = Body(None, (), whole="all")
PROJECT = Body(None, (Key(name="project", check=name(), required=True),))

RULES = (
    Rule("share_type:index", ANYONE, "List share types."),
    Rule("share_type:show", ANYONE, "Show a share type."),
    Rule("share_type:default", ANYONE, "Show the default share type."),
    Rule("share_type:create", ADMIN, "Create a share type."),
    Rule("share_type:update", ADMIN, "Change a share type."),
    Rule("share_type:delete", ADMIN, "Delete a share type."),
    Rule("share_type:list_project_access", ADMIN, "List who may use a private share type."),
    Rule("share_type:add_project_access", ADMIN, "Let a project use a private share type."),
    Rule("share_type:remove_project_access", ADMIN, "Stop a project using a private share type."),
    Rule("share_types_extra_spec:index", ADMIN, "See all extra specs of share types."),
    Rule("share_types_extra_spec:show", ADMIN, "Show an extra spec."),
    Rule("share_types_extra_spec:create", ADMIN, "Set extra specs."),
    Rule("share_types_extra_spec:update", ADMIN, "Change an extra spec."),
    Rule("share_types_extra_spec:delete", ADMIN, "Remove an extra spec."),
)

_TYPE = "/types/{share_type_id}"
_SPECS = f"{_TYPE}/extra_specs"
_SPEC = f"{_SPECS}/{{key}}"
_LIST_ACCESS = "share_type:list_project_access"

ROUTES = (
    Route("GET", "/types", index, "share_type:index"),
    Route("POST", "/types", create, "share_type:create", body=CREATE),
    Route("GET", "/types/default", default, "share_type:default"),
    Route("GET", _TYPE, show, "share_type:show"),
    Route("PUT", _TYPE, update, "share_type:update", body=UPDATE, since=V(2, 50)),
    Route("DELETE", _TYPE, delete, "share_type:delete", 202),
    Route("GET", _SPECS, specs_index, "share_types_extra_spec:index"),
    Route("POST", _SPECS, specs_set, "share_types_extra_spec:create", body=SET_SPECS),
    Route("GET", _SPEC, specs_show, "share_types_extra_spec:show"),
    Route("PUT", _SPEC, specs_update, "share_types_extra_spec:update", body=ONE_SPEC),
    Route("DELETE", _SPEC, specs_unset, "share_types_extra_spec:delete", 202),
    Route("GET", f"{_TYPE}/os-share-type-access", access_index, _LIST_ACCESS, until=V(2, 6)),
    Route("GET", f"{_TYPE}/share_type_access", access_index, _LIST_ACCESS, since=V(2, 7)),
    Route(
        "POST",
        f"{_TYPE}/action",
        None,
        None,
        actions=(
            Action("addProjectAccess", access_add, "share_type:add_project_access", body=PROJECT),
            Action(
                "removeProjectAccess",
                access_remove,
                "share_type:remove_project_access",
                body=PROJECT,
            ),
        ),
    ),
)
