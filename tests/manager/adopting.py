"""Share servers that an administrator leaves as they run, and has adopted again."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import update

from abaca.context import Context, Version
from abaca.db.tables import share_servers as table
from abaca.manager.backend import Backend
from abaca.model.share_server import ShareServer
from abaca.modes import DriverMode
from abaca.share import share_servers
from abaca.share.share_servers import SUPPORT, Foreign
from abaca.states import ShareStatus
from support.control_plane import Api

ADMIN = Context(
    user_id="root",
    project_id="ops",
    roles=frozenset({"admin"}),
    request_id="req-1",
    version=Version(2, 78),
    is_admin=True,
)
MODES = [DriverMode.FLAT, DriverMode.MANAGED]


def adopting(backend: Backend) -> Backend:
    """The backend, which says that it adopts."""
    return replace(backend, capabilities={**backend.capabilities, SUPPORT: True})


def idle_server(api: Api, mode: DriverMode, network: str) -> str:
    """A share server without shares that stays; its ID."""
    share_id = api.share(api.share_type(mode), network_id=network)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    with api.db.write() as tx:
        tx.execute(update(table).values(is_auto_deletable=False))
    api.delete(share_id)
    api.until_idle()
    (row,) = api.rows("share_servers")
    assert row["status"] == "active"
    return str(row["id"])


def unmanage(api: Api, server_id: str) -> None:
    """Ask for it."""
    with api.db.write() as tx:
        share_servers.unmanage(tx, ADMIN, server_id)


def manage(api: Api, network: str, identifier: str) -> ShareServer:
    """Ask backend ``b1`` for it."""
    foreign = Foreign(host="node1@b1#fake", identifier=identifier, share_network_id=network)
    with api.db.write() as tx:
        return share_servers.manage(tx, ADMIN, foreign)
