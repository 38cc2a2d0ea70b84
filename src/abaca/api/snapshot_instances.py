"""Snapshot instances, since 2.19, for administrators: the snapshots of share instances."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, text
from abaca.api.fields import Always, Field, View
from abaca.api.lists import asked_page
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route
from abaca.db import snapshot_instances
from abaca.db import snapshots as db
from abaca.db.database import Tx
from abaca.db.snapshots import SnapshotQuery
from abaca.errors import NotFound
from abaca.model.page import Slice
from abaca.model.snapshot import Snapshot
from abaca.share import snapshots

SINCE = V(2, 19)

VIEW: View[Snapshot] = View(
    "snapshot_instance",
    "snapshot_instances",
    (
        Field("id", lambda item: item.instance.id, in_summary=True),
        Field("snapshot_id", lambda item: item.id, in_summary=True),
        Field("status", lambda item: str(item.instance.status), in_summary=True),
        Field("share_id", lambda item: item.share_id),
        Field("share_instance_id", lambda item: item.instance.share_instance_id),
        Field("progress", lambda item: item.instance.progress),
        # Nothing outside names a snapshot.
        Field("provider_location", Always(None)),
        Field("created_at", lambda item: item.instance.created_at),
        Field("updated_at", lambda item: item.instance.updated_at),
    ),
    id=lambda item: item.instance.id,
    project=lambda item: item.project_id,
)


def index(request: Request) -> dict[str, Any]:
    """Snapshot instances of every project in short; of one snapshot with ``snapshot_id``."""
    return VIEW.many(request, _find(request), summary=True)


def detail(request: Request) -> dict[str, Any]:
    """Snapshot instances with all that they show."""
    return VIEW.many(request, _find(request))


def show(request: Request) -> dict[str, Any]:
    """One snapshot instance."""
    with request.db.read() as tx:
        return VIEW.one(request, _one(request, tx))


def reset_status(request: Request) -> None:
    """Set the status by hand."""
    with request.db.write() as tx:
        snapshots.reset_status(tx, request.ctx, _one(request, tx).id, request.body["status"])


def export_index(request: Request) -> dict[str, Any]:
    """Where it is mounted from: nowhere, since no backend lets snapshots be mounted."""
    with request.db.read() as tx:
        _one(request, tx)
    return {"share_snapshot_export_locations": []}


def _find(request: Request) -> Slice[Snapshot]:
    wanted = request.query.get("snapshot_id")
    query = SnapshotQuery(project_id=None, equal={"id": wanted} if wanted else {})
    with request.db.read() as tx:
        return db.find(tx, query, asked_page(request))


def _one(request: Request, tx: Tx) -> Snapshot:
    instance_id = request.params["instance_id"]
    found = snapshot_instances.snapshot_of(tx, instance_id)
    if found is None:
        raise NotFound(f"Snapshot instance {instance_id} could not be found.")
    return found


STATUS = Body(None, (Key(name="status", check=text(least=1), required=True),))

_RESET = "share_snapshot_instance:reset_status"
_EXPORTS = "share_snapshot_instance_export_location:index"
RULES = (
    Rule("share_snapshot_instance:index", ADMIN, "List snapshot instances."),
    Rule("share_snapshot_instance:detail", ADMIN, "List snapshot instances with details."),
    Rule("share_snapshot_instance:show", ADMIN, "Show a snapshot instance."),
    Rule(_RESET, ADMIN, "Set the status of a snapshot instance by hand."),
    Rule(_EXPORTS, ADMIN, "List where a snapshot instance is mounted from."),
)

_ALL = "/snapshot-instances"
_ONE = f"{_ALL}/{{instance_id}}"
ROUTES = (
    Route("GET", _ALL, index, "share_snapshot_instance:index", since=SINCE),
    Route("GET", f"{_ALL}/detail", detail, "share_snapshot_instance:detail", since=SINCE),
    Route("GET", _ONE, show, "share_snapshot_instance:show", since=SINCE),
    Route("GET", f"{_ONE}/export-locations", export_index, _EXPORTS, since=V(2, 32)),
    Route(
        "POST",
        f"{_ONE}/action",
        None,
        None,
        since=SINCE,
        actions=(Action("reset_status", reset_status, _RESET, body=STATUS, since=SINCE),),
    ),
)
