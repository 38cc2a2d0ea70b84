"""Snapshots of shares: taken, listed, shown, changed, deleted."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, boolean, string_map, text
from abaca.api.fields import Always, Field, Hidden, View
from abaca.api.lists import asked_page, listed_project, literal_filter
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route, action
from abaca.db import snapshots as db
from abaca.db.snapshots import SnapshotQuery
from abaca.errors import BadRequest
from abaca.model.page import Slice
from abaca.model.snapshot import Snapshot
from abaca.share import snapshots
from abaca.share.lookup import own_snapshot
from abaca.share.snapshots import NewSnapshot

METADATA_SINCE = V(2, 73)
MOUNT_SINCE = V(2, 32)
SEE_PROVIDER = "share_snapshot:see_provider_location"

VIEW: View[Snapshot] = View(
    "snapshot",
    "snapshots",
    (
        Field("id", lambda item: item.id, in_summary=True),
        Field("name", lambda item: item.name, in_summary=True),
        Field("description", lambda item: item.description),
        Field("status", lambda item: str(item.instance.status)),
        Field("size", lambda item: item.size),
        Field("share_id", lambda item: item.share_id),
        Field("share_size", lambda item: item.share_size),
        Field("share_proto", lambda item: item.share_proto),
        Field("created_at", lambda item: item.created_at),
        # Nothing outside names a snapshot.
        Field(
            "provider_location",
            Always(None),
            since=V(2, 12),
            rule=SEE_PROVIDER,
            hidden=Hidden.ABSENT,
        ),
        Field("project_id", lambda item: item.project_id, since=V(2, 17)),
        Field("user_id", lambda item: item.user_id, since=V(2, 17)),
        Field("metadata", lambda item: dict(item.metadata), since=METADATA_SINCE),
    ),
    project=lambda item: item.project_id,
    link="/snapshots/{}",
)


def create(request: Request) -> dict[str, Any]:
    """Have a snapshot taken."""
    given = {key: value for key, value in request.body.items() if value is not None}
    with request.db.write() as tx:
        snapshot = snapshots.create(
            tx, request.ctx, NewSnapshot(**given), limits=request.settings.quota_limits
        )
        return VIEW.one(request, snapshot)


def index(request: Request) -> dict[str, Any]:
    """Snapshots in short."""
    return VIEW.many(request, _find(request), summary=True)


def detail(request: Request) -> dict[str, Any]:
    """Snapshots with all that they show."""
    return VIEW.many(request, _find(request))


def show(request: Request) -> dict[str, Any]:
    """One snapshot."""
    with request.db.read() as tx:
        return VIEW.one(request, own_snapshot(tx, request.ctx, request.params["snapshot_id"]))


def update(request: Request) -> dict[str, Any]:
    """Change name or description."""
    with request.db.write() as tx:
        found = snapshots.update(tx, request.ctx, request.params["snapshot_id"], dict(request.body))
        return VIEW.one(request, found)


def delete(request: Request) -> None:
    """Have a snapshot deleted."""
    with request.db.write() as tx:
        snapshots.delete(tx, request.ctx, request.params["snapshot_id"])


def reset_status(request: Request) -> None:
    """Set the status by hand."""
    with request.db.write() as tx:
        snapshots.reset_status(
            tx, request.ctx, request.params["snapshot_id"], request.body["status"]
        )


def access_index(request: Request) -> dict[str, Any]:
    """Who may mount a snapshot: nobody, since no backend lets snapshots be mounted."""
    return {"snapshot_access_list": _nothing_of(request)}


def export_index(request: Request) -> dict[str, Any]:
    """Where a snapshot is mounted from: nowhere."""
    return {"share_snapshot_export_locations": _nothing_of(request)}


def mount(request: Request) -> None:
    """Refused: no backend lets snapshots be mounted."""
    _nothing_of(request)
    raise BadRequest("The snapshot can't be mounted: its share has not mount_snapshot_support.")


def _nothing_of(request: Request) -> list[object]:
    """Nothing, of a snapshot that is the caller's to see."""
    with request.db.read() as tx:
        own_snapshot(tx, request.ctx, request.params["snapshot_id"])
    return []


def _find(request: Request) -> Slice[Snapshot]:
    query = request.query
    parts = request.version >= V(2, 36)
    equal = {name: query[name] for name in ("status", "share_id", "user_id") if query.get(name)}
    for name in ("name", "description"):
        said = query.get(name) or query.get(f"display_{name}")
        if said:
            equal[name] = said
    wanted = SnapshotQuery(
        project_id=listed_project(request),
        equal=equal,
        size=query.integer("size"),
        name_part=(query.get("name~") or query.get("display_name~")) if parts else None,
        description_part=(
            (query.get("description~") or query.get("display_description~")) if parts else None
        ),
        metadata=(literal_filter(request, "metadata") if request.version >= METADATA_SINCE else {}),
    )
    with request.db.read() as tx:
        return db.find(tx, wanted, asked_page(request))


_TEXT = (
    Key(name="display_name", check=text(), into="name"),
    Key(name="name", check=text()),
    Key(name="display_description", check=text(), into="description"),
    Key(name="description", check=text()),
)
CREATE = Body(
    "snapshot",
    (
        Key(name="share_id", check=text(least=1), required=True),
        Key(name="force", check=boolean()),
        *_TEXT,
        Key(name="metadata", check=string_map(), since=METADATA_SINCE),
    ),
)
UPDATE = Body("snapshot", _TEXT)
STATUS = Body(None, (Key(name="status", check=text(least=1), required=True),))
NOTHING = Body(None, (), optional=True)

RULES = (
    Rule("share:create_snapshot", MEMBER, "Take a snapshot of a share."),
    Rule("share_snapshot:get_snapshot", READER, "Show a snapshot."),
    Rule("share_snapshot:get_all_snapshots", READER, "List snapshots."),
    Rule("share:snapshot_update", MEMBER, "Change name and description of a snapshot."),
    Rule("share:delete_snapshot", MEMBER, "Delete a snapshot."),
    Rule("share_snapshot:force_delete", ADMIN, "Delete a snapshot in any state."),
    Rule("share_snapshot:reset_status", ADMIN, "Set the status of a snapshot by hand."),
    Rule("share_snapshot:access_list", READER, "List who may mount a snapshot."),
    Rule("share_snapshot:allow_access", MEMBER, "Let somebody mount a snapshot."),
    Rule("share_snapshot:deny_access", MEMBER, "Take an access rule of a snapshot away."),
    Rule("share_snapshot_export_location:index", READER, "List where a snapshot is mounted from."),
    Rule(SEE_PROVIDER, ADMIN, "See what a backend calls a snapshot."),
)

_LIST = "share_snapshot:get_all_snapshots"
_ONE = "/snapshots/{snapshot_id}"
ROUTES = (
    Route("GET", "/snapshots", index, _LIST),
    Route("GET", "/snapshots/detail", detail, _LIST),
    Route("POST", "/snapshots", create, "share:create_snapshot", 202, body=CREATE),
    Route("GET", _ONE, show, "share_snapshot:get_snapshot"),
    Route("PUT", _ONE, update, "share:snapshot_update", body=UPDATE),
    Route("DELETE", _ONE, delete, "share:delete_snapshot", 202),
    Route(
        "GET",
        f"{_ONE}/access-list",
        access_index,
        "share_snapshot:access_list",
        since=MOUNT_SINCE,
    ),
    Route(
        "GET",
        f"{_ONE}/export-locations",
        export_index,
        "share_snapshot_export_location:index",
        since=MOUNT_SINCE,
    ),
    Route(
        "POST",
        f"{_ONE}/action",
        None,
        None,
        actions=(
            *action("force_delete", delete, "share_snapshot:force_delete", body=NOTHING),
            *action("reset_status", reset_status, "share_snapshot:reset_status", body=STATUS),
            Action("allow_access", mount, "share_snapshot:allow_access", since=MOUNT_SINCE),
            Action("deny_access", mount, "share_snapshot:deny_access", since=MOUNT_SINCE),
        ),
    ),
)
