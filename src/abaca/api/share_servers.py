"""Share servers, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abaca.api.bodies import Body, Key, boolean, mapping, one_of, text
from abaca.api.fields import Always, Field, View
from abaca.api.microversion import V
from abaca.api.paging import page
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route
from abaca.db import allocations, pools, share_network_subnets, share_networks
from abaca.db import share_servers as db
from abaca.db.database import Tx
from abaca.db.share_servers import ServerQuery
from abaca.model.page import Slice
from abaca.model.share_network import subnets_in
from abaca.model.share_server import ShareServer
from abaca.network.plugin import Allocation, Label
from abaca.share import share_servers as use_case
from abaca.states import ServerStatus

MANAGE_SINCE = V(2, 49)
SEVERAL_SINCE = V(2, 70)
COLUMNS = ("host", "status", "project_id", "availability_zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A share server with what stands beside its row."""

    server: ShareServer
    network_name: str
    subnet_ids: tuple[str, ...]
    details: dict[str, str]


_SUMMARY: tuple[Field[Shown], ...] = (
    Field("id", lambda s: s.server.id),
    Field("project_id", lambda s: s.server.project_id),
    Field("status", lambda s: str(s.server.status)),
    Field("host", lambda s: s.server.host),
    Field("share_network_id", lambda s: s.server.share_network_id),
    Field("share_network_name", lambda s: s.network_name),
    Field("updated_at", lambda s: s.server.updated_at),
    Field("is_auto_deletable", lambda s: s.server.is_auto_deletable, since=MANAGE_SINCE),
    Field("identifier", lambda s: s.server.identifier or s.server.id, since=MANAGE_SINCE),
    Field(
        "share_network_subnet_id",
        lambda s: next(iter(s.subnet_ids), None),
        since=V(2, 51),
        until=V(2, 69),
    ),
    Field("share_network_subnet_ids", lambda s: list(s.subnet_ids), since=SEVERAL_SINCE),
    Field("network_allocation_update_support", Always(True), since=SEVERAL_SINCE),
    Field("task_state", Always(None), since=V(2, 57)),
    Field("source_share_server_id", Always(None), since=V(2, 57)),
    Field("security_service_update_support", Always(False), since=V(2, 63)),
)
LISTED: View[Shown] = View("share_server", "share_servers", _SUMMARY, id=lambda s: s.server.id)
VIEW: View[Shown] = View(
    "share_server",
    "share_servers",
    (
        *_SUMMARY,
        Field("created_at", lambda s: s.server.created_at),
        Field("backend_details", lambda s: s.details),
    ),
    id=LISTED.id,
)


def index(request: Request) -> dict[str, Any]:
    """Share servers of every project, newest first, narrowed by the filters."""
    query, version = request.query, request.version
    migrated = "source_share_server_id" in query and version >= V(2, 57)
    wanted = ServerQuery(
        equal={name: query[name] for name in COLUMNS if name in query},
        network=query.get("share_network") or query.get("share_network_id"),
        subnet_id=query.get("share_network_subnet_id") if version >= V(2, 51) else None,
        nothing=migrated,  # none was migrated from another
    )
    with request.db.read() as tx:
        found = db.find_page(tx, wanted, page(request, descending=True))
        items = tuple(_shown(tx, found.items))
    return LISTED.many(request, Slice(items=items, more=found.more, count=found.count))


def show(request: Request) -> dict[str, Any]:
    """One share server."""
    with request.db.read() as tx:
        return VIEW.one(request, _one(request, tx))


def details(request: Request) -> dict[str, Any]:
    """What it is made of: the driver's word, its mode, segmentation and addresses."""
    with request.db.read() as tx:
        return {"details": _one(request, tx).details}


def delete(request: Request) -> None:
    """Have it removed, if no share is on it."""
    with request.db.write() as tx:
        use_case.delete(tx, request.ctx, request.params["id"])


def reset_status(request: Request) -> None:
    """Set the status by hand, and nothing else."""
    status = ServerStatus(request.body["status"])
    with request.db.write() as tx:
        use_case.reset_status(tx, request.ctx, request.params["id"], status)


def manage(request: Request) -> dict[str, Any]:
    """Have a running server adopted."""
    body = dict(request.body)
    options = body.pop("driver_options", None) or {}
    foreign = use_case.Foreign(
        **{key: value for key, value in body.items() if value is not None},
        options={key: str(value) for key, value in options.items()},
    )
    with request.db.write() as tx:
        server = use_case.manage(tx, request.ctx, foreign)
        return VIEW.one(request, _whole(tx, server))


def unmanage(request: Request) -> None:
    """Have a server left as it runs."""
    with request.db.write() as tx:
        use_case.unmanage(tx, request.ctx, request.params["id"])


def _one(request: Request, tx: Tx) -> Shown:
    return _whole(tx, use_case.known(tx, request.params["id"]))


def _whole(tx: Tx, server: ShareServer) -> Shown:
    (found,) = _shown(tx, [server])
    facts = _facts(tx, server)
    return Shown(
        server=server,
        network_name=found.network_name,
        subnet_ids=found.subnet_ids,
        details={**facts, **found.details},
    )


def _shown(tx: Tx, servers: Sequence[ShareServer]) -> list[Shown]:
    ids = sorted({server.share_network_id for server in servers})
    names = share_networks.names(tx, ids)
    subnets = share_network_subnets.of_networks(tx, ids)
    return [
        Shown(
            server=server,
            network_name=names.get(server.share_network_id) or server.share_network_id,
            subnet_ids=tuple(
                subnet.id
                for subnet in subnets_in(
                    subnets.get(server.share_network_id, ()), server.availability_zone
                )
            ),
            details=dict(server.details),
        )
        for server in servers
    ]


def _facts(tx: Tx, server: ShareServer) -> dict[str, str]:
    """What the helper gave the server, and the mode that its backend has."""
    mode = next((str(p.driver_mode) for p in pools.every(tx) if p.host == server.host), "")
    facts = {"driver_mode": mode} if mode else {}
    given = [
        row.allocation for row in allocations.of_server(tx, server.id) if row.allocation is not None
    ]
    tenants = [item for item in given if item.claim.label is Label.USER]
    admins = [item for item in given if item.claim.label is Label.ADMIN]
    if tenants:
        segments = [item.segment for item in tenants]
        facts |= {
            "network_type": _joined(str(item.network_type) for item in segments),
            "segmentation_id": _joined(
                str(item.segmentation_id) for item in segments if item.segmentation_id is not None
            ),
            "mtu": _joined(str(item.mtu) for item in segments),
            **_places(tenants, ""),
        }
    return facts | (_places(admins, "admin_") if admins else {})


def _places(given: Sequence[Allocation], prefix: str) -> dict[str, str]:
    cidrs = (str(subnet.cidr) for item in given for subnet in item.segment.subnets)
    addresses = (str(address) for item in given for address in item.addresses)
    return {f"{prefix}addresses": _joined(addresses), f"{prefix}cidr": _joined(cidrs)}


def _joined(words: Any) -> str:  # noqa: ANN401 - any iterable of strings
    return ",".join(dict.fromkeys(words))


RULES = (
    Rule("share_server:index", ADMIN, "List share servers."),
    Rule("share_server:show", ADMIN, "See a share server."),
    Rule("share_server:details", ADMIN, "See what a share server is made of."),
    Rule("share_server:delete", ADMIN, "Delete a share server without shares."),
    Rule("share_server:manage", ADMIN, "Adopt a running share server."),
    Rule("share_server:unmanage", ADMIN, "Leave a share server as it runs."),
    Rule("share_server:reset_status", ADMIN, "Set the status of a share server by hand."),
)

RESET = Body(None, (Key(name="status", check=one_of(*ServerStatus), required=True),))
MANAGE = Body(
    "share_server",
    (
        Key(name="host", check=text(least=1), required=True),
        Key(name="identifier", check=text(least=1), required=True),
        Key(name="share_network_id", check=text(least=1), required=True),
        Key(name="share_network_subnet_id", check=text(), since=V(2, 51)),
        Key(name="driver_options", check=mapping()),
    ),
)
# A driver has nothing to refuse, so there is nothing to force.
UNMANAGE = Body(None, (Key(name="force", check=boolean()),), optional=True)
_ONE = "/share-servers/{id}"
ROUTES = (
    Route("GET", "/share-servers", index, "share_server:index"),
    Route(
        "POST",
        "/share-servers/manage",
        manage,
        "share_server:manage",
        202,
        MANAGE,
        MANAGE_SINCE,
    ),
    Route("GET", _ONE, show, "share_server:show"),
    Route("GET", f"{_ONE}/details", details, "share_server:details"),
    Route("DELETE", _ONE, delete, "share_server:delete", 202),
    Route(
        "POST",
        f"{_ONE}/action",
        None,
        None,
        since=V(2, 49),
        actions=(
            Action("reset_status", reset_status, "share_server:reset_status", body=RESET),
            Action("unmanage", unmanage, "share_server:unmanage", body=UNMANAGE),
        ),
    ),
)
