"""Share instances, since 2.3, for administrators: the copies of shares on backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abaca.api.bodies import Body, Key, one_of
from abaca.api.fields import Always, Field, View
from abaca.api.microversion import V
from abaca.api.paging import page
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Route, action
from abaca.api.shares import old_rules_status, old_status
from abaca.db import export_locations
from abaca.db import share_instances as db
from abaca.db.database import Tx
from abaca.errors import NotFound
from abaca.model.page import Slice
from abaca.model.share import Share
from abaca.share import shares as use_case
from abaca.share.lookup import visible_share
from abaca.states import ShareStatus

SINCE = V(2, 3)
BY_EXPORT = V(2, 35)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A share with one of its instances, and where that is mounted from."""

    share: Share
    paths: tuple[str, ...]


VIEW: View[Shown] = View(
    "share_instance",
    "share_instances",
    (
        Field("id", lambda s: s.share.instance.id),
        Field("share_id", lambda s: s.share.id),
        Field("status", lambda s: old_status(s.share.instance.status), until=V(2, 53)),
        Field("status", lambda s: str(s.share.instance.status), since=V(2, 54)),
        Field("host", lambda s: s.share.instance.full_host),
        Field("availability_zone", lambda s: s.share.instance.availability_zone),
        Field("share_network_id", lambda s: s.share.effective_share_network_id),
        Field("share_server_id", lambda s: s.share.instance.share_server_id),
        Field("created_at", lambda s: s.share.instance.created_at),
        Field("export_location", lambda s: s.paths[0] if s.paths else None, until=V(2, 8)),
        Field("export_locations", lambda s: list(s.paths), until=V(2, 8)),
        Field(
            "access_rules_status",
            lambda s: old_rules_status(s.share.instance.access_rules_status),
            since=V(2, 10),
            until=V(2, 27),
        ),
        Field(
            "access_rules_status",
            lambda s: str(s.share.instance.access_rules_status),
            since=V(2, 28),
        ),
        Field("replica_state", Always(None), since=V(2, 11)),
        Field("share_type_id", lambda s: s.share.share_type_id, since=V(2, 22)),
        Field("cast_rules_to_readonly", Always(False), since=V(2, 30)),
        Field("updated_at", lambda s: s.share.instance.updated_at, since=V(2, 71)),
        Field("progress", lambda s: s.share.instance.progress, since=V(2, 54)),
    ),
    id=lambda s: s.share.instance.id,
)


def index(request: Request) -> dict[str, Any]:
    """Share instances of every project, newest first, narrowed by the filters."""
    query = request.query
    names = list(db.FILTERS)
    if request.version >= BY_EXPORT:
        names += ["export_location_id", "export_location_path"]
    equal = {name: query[name] for name in names if name in query}
    with request.db.read() as tx:
        found = db.find(tx, equal, page(request, descending=True))
        items = _shown(tx, found.items)
    return VIEW.many(request, Slice(items=items, more=found.more, count=found.count))


def of_share(request: Request) -> dict[str, Any]:
    """The instances of one share."""
    with request.db.read() as tx:
        share = visible_share(tx, request.ctx, request.params["share_id"])
        found = db.find(tx, {"share_id": share.id}, page(request))
        items = _shown(tx, found.items)
    return VIEW.many(request, Slice(items=items, more=found.more, count=found.count))


def show(request: Request) -> dict[str, Any]:
    """One share instance."""
    with request.db.read() as tx:
        return VIEW.one(request, _shown(tx, [_share(request, tx)])[0])


def reset_status(request: Request) -> None:
    """Set the status by hand, and nothing else."""
    with request.db.write() as tx:
        share = _share(request, tx)
        db.settle(tx, share.instance.id, {"status": str(ShareStatus(request.body["status"]))})


def force_delete(request: Request) -> None:
    """Have the instance go: its share's only one, so the share with it."""
    with request.db.write() as tx:
        use_case.delete(tx, request.ctx, _share(request, tx).id)


def _share(request: Request, tx: Tx) -> Share:
    share = db.share_of(tx, request.params["id"])
    if share is None:
        raise NotFound(f"Share instance {request.params['id']} could not be found.")
    return share


def _shown(tx: Tx, found: Sequence[Share]) -> tuple[Shown, ...]:
    by_instance = export_locations.of_instances(tx, [share.instance.id for share in found])
    return tuple(
        Shown(
            share=share,
            paths=tuple(item.path for item in by_instance.get(share.instance.id, ())),
        )
        for share in found
    )


RULES = (
    Rule("share_instance:index", ADMIN, "List share instances."),
    Rule("share_instance:show", ADMIN, "See a share instance."),
    Rule("share_instance:reset_status", ADMIN, "Set the status of a share instance by hand."),
    Rule("share_instance:force_delete", ADMIN, "Delete a share instance whatever its status."),
)

RESET = Body(None, (Key(name="status", check=one_of(*ShareStatus), required=True),))
_ONE = "/share_instances/{id}"
ROUTES = (
    Route("GET", "/share_instances", index, "share_instance:index", since=SINCE),
    Route("GET", "/share_instances/detail", index, "share_instance:index", since=SINCE),
    Route("GET", _ONE, show, "share_instance:show", since=SINCE),
    Route("GET", "/shares/{share_id}/instances", of_share, "share_instance:index", since=SINCE),
    Route(
        "POST",
        f"{_ONE}/action",
        None,
        None,
        since=SINCE,
        actions=(
            *action(
                "reset_status",
                reset_status,
                "share_instance:reset_status",
                body=RESET,
                since=SINCE,
            ),
            *action(
                "force_delete",
                force_delete,
                "share_instance:force_delete",
                since=SINCE,
            ),
        ),
    ),
)
