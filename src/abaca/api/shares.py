"""Shares: created, listed, shown, changed, deleted. Their actions: `abaca.api.share_actions`."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Check, Key, boolean, integer, mapping, string_map, text
from abaca.api.fields import Always, Field, Hidden, View
from abaca.api.lists import asked_page, listed_project, literal_filter
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.api.share_metadata import guard
from abaca.context import Version
from abaca.db import shown_shares
from abaca.db.shown_shares import ShareQuery
from abaca.errors import BadRequest, NotFound
from abaca.model.page import Page
from abaca.model.shown_share import ShortShare, ShownShare, ToldShare, read_share, shown, told
from abaca.share import extra_specs, shares
from abaca.share.choices import Defaults
from abaca.share.create import NewShare, create_typed
from abaca.share.features import offers
from abaca.states import AccessRulesStatus, ShareStatus

BIN_SINCE = V(2, 69)
LOCATIONS_UNTIL = V(2, 8)
ONLY_HOST_SINCE = V(2, 67)
CREATE_ON_HOST = "share:create_on_host"
SEE_HOST = "share:list_by_host"
SEE_SERVER = "share:list_by_share_server_id"
SEE_SPECS = "share_types_extra_spec:index"


def old_status(status: str) -> str:
    """Before 2.54 a share that is made from a snapshot is just creating."""
    return ShareStatus.CREATING if status == ShareStatus.CREATING_FROM_SNAPSHOT else status


def old_rules_status(status: str) -> str:
    """Before 2.28 rules in motion are out of sync."""
    return "out_of_sync" if status == AccessRulesStatus.SYNCING else status


def _paths(item: ShownShare) -> list[str]:
    return [location.path for location in item.export_locations if not location.is_admin_only]


def _offered(feature: str, since: Version) -> Field[ShownShare]:
    """Whether shares of its type have the feature."""
    return Field(feature, lambda s: offers(s.share_type, feature), since=since)


VIEW: View[ToldShare] = View(
    "share",
    "shares",
    (
        Field("id", "id"),
        Field("name", "name"),
        Field("description", "description"),
        Field("size", "size"),
        Field("status", lambda s: old_status(s.status), until=V(2, 53)),
        Field("status", "status", since=V(2, 54)),
        Field("availability_zone", "availability_zone"),
        Field("created_at", lambda s: s.created_at),
        Field("project_id", "project_id"),
        Field("user_id", "user_id", since=V(2, 16)),
        Field("share_proto", "share_proto"),
        Field("share_network_id", "share_network_id"),
        Field("effective_share_network_id", "effective_share_network_id"),
        Field("snapshot_id", "snapshot_id"),
        Field("is_public", "is_public"),
        Field("metadata", "metadata"),
        Field("share_type", "share_type.name", until=V(2, 5)),
        Field("share_type", "share_type.id", since=V(2, 6)),
        Field("share_type_name", "share_type.name", since=V(2, 6)),
        Field("volume_type", "share_type.name"),
        Field("export_location", lambda s: next(iter(_paths(s)), None), until=LOCATIONS_UNTIL),
        Field("export_locations", _paths, until=LOCATIONS_UNTIL),
        _offered(extra_specs.SNAPSHOT, since=V(2, 2)),
        Field("consistency_group_id", Always(None), since=V(2, 4), until=V(2, 30)),
        Field("source_cgsnapshot_member_id", Always(None), since=V(2, 4), until=V(2, 30)),
        Field("task_state", Always(None), since=V(2, 5)),
        Field(
            "access_rules_status",
            lambda s: old_rules_status(s.access_rules_status),
            since=V(2, 10),
            until=V(2, 27),
        ),
        Field(
            "access_rules_status",
            "access_rules_status",
            since=V(2, 28),
        ),
        Field("has_replicas", Always(False), since=V(2, 11)),
        Field(
            "replication_type",
            lambda s: s.share_type.extra_specs.get(extra_specs.REPLICATION),
            since=V(2, 11),
        ),
        _offered(extra_specs.FROM_SNAPSHOT, since=V(2, 24)),
        _offered(extra_specs.REVERT, since=V(2, 27)),
        Field("share_group_id", Always(None), since=V(2, 31)),
        Field("source_share_group_snapshot_member_id", Always(None), since=V(2, 31)),
        _offered(extra_specs.MOUNT_SNAPSHOT, since=V(2, 32)),
        Field("progress", "progress", since=V(2, 54)),
        Field("is_soft_deleted", "is_soft_deleted", since=BIN_SINCE),
        Field(
            "scheduled_to_be_deleted_at",
            lambda s: s.scheduled_to_be_deleted_at,
            since=BIN_SINCE,
        ),
        Field("host", "full_host", rule=SEE_HOST, hidden=Hidden.ABSENT),
        Field(
            "share_server_id",
            "share_server_id",
            rule=SEE_SERVER,
            hidden=Hidden.ABSENT,
        ),
    ),
    id=lambda s: s.id,
    project=lambda s: s.project_id,
    link="/shares/{}",
    read=read_share,
)


SHORT_VIEW: View[ShortShare] = View(
    "share",
    "shares",
    (Field("id", "id"), Field("name", "name")),
    link="/shares/{}",
)


def create(request: Request) -> dict[str, Any]:
    """Create a share."""
    body = dict(request.body)
    for group in ("share_group_id", "consistency_group_id"):
        if body.pop(group, None):
            raise NotFound("The group could not be found: share groups are not served.")
    if body.get("is_public"):
        request.require("share:create_public_share")
    if body.get("share_network_id"):
        request.require("share_network:use")
    guard(request).check(body.get("metadata") or {})
    hints = body.pop("scheduler_hints", None) or {}
    wanted = NewShare(
        **{key: value for key, value in body.items() if value is not None and value != ""},
        same_host=_hint(hints, "same_host"),
        different_host=_hint(hints, "different_host"),
        only_host=_only_host(request, hints),
    )
    settings = request.settings
    defaults = Defaults(
        share_type=settings.default_share_type,
        share_network=settings.default_share_network,
        limits=settings.quota_limits,
    )
    with request.db.write() as tx:
        share, share_type = create_typed(tx, request.ctx, wanted, defaults)
    return VIEW.one(request, told(shown(share, share_type)))


def _hint(hints: dict[str, Any], name: str) -> tuple[str, ...]:
    """IDs of shares, as a list or separated by commas."""
    said = hints.get(name) or []
    named = said.split(",") if isinstance(said, str) else said
    if not isinstance(named, list) or not all(isinstance(item, str) for item in named):
        raise BadRequest(f"scheduler_hints.{name}={said!r}: give IDs of shares.")
    return tuple(item.strip() for item in named if item.strip())


def _only_host(request: Request, hints: dict[str, Any]) -> str | None:
    """The one place that an administrator wants it at; the versions before pass it over."""
    said = hints.get("only_host")
    if not said or request.version < ONLY_HOST_SINCE:
        return None
    if not isinstance(said, str):
        raise BadRequest(f"scheduler_hints.only_host={said!r}: give host@backend#pool.")
    request.require(CREATE_ON_HOST)
    return said


def index(request: Request) -> dict[str, Any]:
    """Shares in short."""
    wanted, page = _wanted(request)
    with request.db.read() as tx:
        found = shown_shares.find_short(tx, wanted, page)
    return SHORT_VIEW.many(request, found)


def detail(request: Request) -> dict[str, Any]:
    """Shares with all that they show."""
    wanted, page = _wanted(request)
    with request.db.read() as tx:
        found = shown_shares.find(tx, wanted, page, with_locations=_locations(request))
    return VIEW.many(request, found)


def show(request: Request) -> dict[str, Any]:
    """One share."""
    share_id, with_locations = request.params["share_id"], _locations(request)
    with request.db.read() as tx:
        found = shares.show(tx, request.ctx, share_id, with_locations=with_locations)
    return VIEW.one(request, found)


def update(request: Request) -> dict[str, Any]:
    """Change name, description or who sees it."""
    values = dict(request.body)
    if values.get("is_public"):
        request.require("share:set_public_share")
    with request.db.write() as tx:
        found = shares.update(tx, request.ctx, request.params["share_id"], values)
        return VIEW.one(request, found)


def delete(request: Request) -> None:
    """Have a share deleted."""
    with request.db.write() as tx:
        shares.delete(tx, request.ctx, request.params["share_id"])


def _locations(request: Request) -> bool:
    """Whether the share itself says where it is mounted from."""
    return request.version <= LOCATIONS_UNTIL


def _wanted(request: Request) -> tuple[ShareQuery, Page]:
    """What a list is of."""
    for name, rule in (("host", SEE_HOST), ("share_server_id", SEE_SERVER)):
        if name in request.query or request.query.get("sort_key") == name:
            request.require(rule)
    return _query(request), asked_page(request, count_since=V(2, 42))


_EQUAL = (
    "status",
    "share_type_id",
    "share_network_id",
    "share_server_id",
    "snapshot_id",
    "share_proto",
    "user_id",
)
_GROUPS = ("share_group_id", "share_group_snapshot_id", "consistency_group_id", "cgsnapshot_id")


def _query(request: Request) -> ShareQuery:
    query, version = request.query, request.version
    equal = {name: query[name] for name in _EQUAL if query.get(name)}
    for name in ("name", "description"):
        said = query.get(name) or query.get(f"display_{name}")
        if said:
            equal[name] = said
    parts = version >= V(2, 36)
    located = version >= V(2, 35)
    return ShareQuery(
        project_id=listed_project(request),
        with_public=query.boolean("is_public"),
        equal=equal,
        host=query.get("host"),
        name_part=(query.get("name~") or query.get("display_name~")) if parts else None,
        description_part=(
            (query.get("description~") or query.get("display_description~")) if parts else None
        ),
        metadata=literal_filter(request, "metadata"),
        extra_specs=_wanted_specs(request),
        export_location_id=query.get("export_location_id") if located else None,
        export_location_path=query.get("export_location_path") if located else None,
        hidden_locations=request.ctx.is_admin,
        is_soft_deleted=version >= BIN_SINCE and query.boolean("is_soft_deleted"),
        # There are no share groups: no share is in one.
        nothing=any(query.get(name) for name in _GROUPS),
    )


def _wanted_specs(request: Request) -> dict[str, str]:
    """Extra specs of the type; only those that the caller may see."""
    wanted = literal_filter(request, "extra_specs")
    hidden = sorted(set(wanted) - extra_specs.TENANT_VISIBLE)
    if hidden and not request.may(SEE_SPECS):
        raise BadRequest(f"extra_specs: {hidden[0]} is not one to filter by.")
    return wanted


def _text(name: str, *, into: str | None = None, check: Check | None = None) -> Key:
    return Key(name=name, check=check or text(), into=into)


CREATE = Body(
    "share",
    (
        Key(name="share_proto", check=text(least=1, most=16), required=True),
        Key(name="size", check=integer(least=1, most=2**31 - 1)),
        _text("display_name", into="name"),
        _text("name"),
        _text("display_description", into="description"),
        _text("description"),
        _text("volume_type", into="share_type"),
        _text("share_type"),
        _text("share_network_id"),
        _text("snapshot_id"),
        Key(name="availability_zone", check=text(), since=V(2, 1)),
        Key(name="is_public", check=boolean()),
        Key(name="metadata", check=string_map()),
        Key(name="consistency_group_id", check=text(), since=V(2, 4), until=V(2, 30)),
        Key(name="share_group_id", check=text(), since=V(2, 31)),
        Key(name="scheduler_hints", check=mapping(), since=V(2, 65)),
    ),
)
UPDATE = Body(
    "share",
    (
        _text("name"),
        _text("display_name", into="name"),
        _text("description"),
        _text("display_description", into="description"),
        Key(name="is_public", check=boolean(), nullable=False),
    ),
)

RULES = (
    Rule("share:create", MEMBER, "Create a share."),
    Rule("share:create_public_share", ADMIN, "Create a share that every project sees."),
    Rule(CREATE_ON_HOST, ADMIN, "Say by the scheduler hint only_host where a share goes."),
    Rule("share:get", READER, "Show a share, where it is mounted from, and its metadata."),
    Rule("share:get_all", READER, "List shares."),
    Rule("share:update", MEMBER, "Change name and description of a share."),
    Rule("share:set_public_share", ADMIN, "Make every project see a share."),
    Rule("share:delete", MEMBER, "Delete a share."),
    Rule(SEE_HOST, ADMIN, "See on which host a share is, and filter by it."),
    Rule(SEE_SERVER, ADMIN, "See on which share server a share is, and filter by it."),
)

_ONE = "/shares/{share_id}"
ROUTES = (
    Route("GET", "/shares", index, "share:get_all"),
    Route("GET", "/shares/detail", detail, "share:get_all"),
    Route("POST", "/shares", create, "share:create", body=CREATE),
    Route("GET", _ONE, show, "share:get"),
    Route("PUT", _ONE, update, "share:update", body=UPDATE),
    Route("DELETE", _ONE, delete, "share:delete", 202),
)
