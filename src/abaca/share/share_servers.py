"""What the API does with share servers: have those go that nothing is on."""

from __future__ import annotations

from abaca.context import Context
from abaca.db import share_servers
from abaca.db.database import Tx
from abaca.errors import Conflict, NotFound
from abaca.model.share_server import ShareServer
from abaca.model.task import TaskKind
from abaca.work.queue import enqueue


def delete(tx: Tx, ctx: Context, server_id: str) -> None:
    """Have a share server removed; `Conflict` while shares are on it. Again is the same."""
    server = share_servers.get(tx, server_id)
    if server is None:
        raise NotFound(f"Share server {server_id} could not be found.")
    if not remove_unused(tx, ctx, server):
        raise Conflict(f"Share server {server_id} has shares on it: delete them first.")


def remove_unused(tx: Tx, ctx: Context, server: ShareServer) -> bool:
    """Take the server out of use and have it removed; False, and nothing done, if it has shares."""
    if not share_servers.condemn(tx, server.id):
        return False
    look_again(tx, ctx, server)
    return True


def look_again(tx: Tx, ctx: Context, server: ShareServer) -> None:
    """Have the manager compare the server with what is wanted of it."""
    enqueue(
        tx,
        TaskKind.SHARE_SERVER,
        server.id,
        queue=server.host,
        lane=server.id,
        project_id=server.project_id,
        request_id=ctx.request_id,
    )
