"""What the API does with share servers: adopt them, leave them, have them go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abaca.context import Context
from abaca.db import pools, share_networks, share_servers
from abaca.db.database import Tx
from abaca.errors import BadRequest, Conflict, NotFound
from abaca.model.share_server import ShareServer
from abaca.model.task import TaskKind
from abaca.states import ServerStatus
from abaca.work.queue import enqueue

SUPPORT = "share_server_manage_support"
"""Capability of backends that adopt running share servers."""
_LEAVABLE = frozenset(
    {
        ServerStatus.ACTIVE,
        ServerStatus.ERROR,
        ServerStatus.MANAGE_ERROR,
        ServerStatus.UNMANAGE_ERROR,
        ServerStatus.UNMANAGE_STARTING,
    }
)


def delete(tx: Tx, ctx: Context, server_id: str) -> None:
    """Have a share server removed; `Conflict` while shares are on it. Again is the same."""
    server = known(tx, server_id)
    if not server.status.is_ours:
        raise Conflict(f"Share server {server_id} is {server.status}: unmanage it instead.")
    if not remove_unused(tx, ctx, server):
        raise Conflict(f"Share server {server_id} has shares on it: delete them first.")


def known(tx: Tx, server_id: str) -> ShareServer:
    """The share server, or `NotFound`."""
    server = share_servers.get(tx, server_id)
    if server is None:
        raise NotFound(f"Share server {server_id} could not be found.")
    return server


def reset_status(tx: Tx, ctx: Context, server_id: str, status: ServerStatus) -> None:
    """Set the status by hand, and nothing else: what is not Abaca's does not become so by it.

    But one that could not be left is kept by being said to be active: it is ensured again.
    """
    server = known(tx, server_id)
    if server.status is ServerStatus.UNMANAGE_ERROR and status is ServerStatus.ACTIVE:
        _keep(tx, ctx, server)
        return
    if server.status.is_ours != status.is_ours:
        raise Conflict(
            f"Share server {server_id} is {server.status}: it doesn't become {status} by hand; "
            "manage or unmanage it."
        )
    share_servers.set_status(tx, server_id, status)


def _keep(tx: Tx, ctx: Context, server: ShareServer) -> None:
    if server.identifier is not None and not server.details:
        raise Conflict(f"Share server {server.id} was never adopted: unmanage it.")
    if not share_servers.keep(tx, server):
        raise Conflict(
            f"Share network {server.share_network_id} has another share server there by now: "
            f"unmanage {server.id}."
        )
    look_again(tx, ctx, server)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A running server that is to become Abaca's."""

    host: str
    """``host@backend``, with or without ``#pool``."""
    identifier: str
    """What its backend calls it."""
    share_network_id: str
    share_network_subnet_id: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """For its driver."""


def manage(tx: Tx, ctx: Context, foreign: Foreign) -> ShareServer:
    """Have the manager adopt a running server, with its addresses, for the network's project."""
    host = foreign.host.partition("#")[0]
    pool = next((item for item in pools.every(tx) if item.host == host), None)
    if pool is None:
        raise BadRequest(f"host={foreign.host!r}: there is no such backend.")
    if not pool.capabilities.get(SUPPORT):
        raise BadRequest(f"host={foreign.host!r}: the backend can't adopt share servers.")
    network = share_networks.visible(tx, foreign.share_network_id, None, lock=True)
    if network is None:
        raise BadRequest(f"Share network {foreign.share_network_id} could not be found.")
    subnets = {item.id for item in network.subnets_in(pool.availability_zone)}
    if foreign.share_network_subnet_id not in {None, *subnets}:
        raise BadRequest(
            f"Share network subnet {foreign.share_network_subnet_id} is not one of share network "
            f"{network.id} in {pool.availability_zone}."
        )
    key = share_servers.ServerKey(
        host=host,
        project_id=network.project_id,
        share_network_id=network.id,
        availability_zone=pool.availability_zone,
    )
    other = share_servers.known_as(tx, host, foreign.identifier)
    if other is not None:
        raise Conflict(f"{foreign.identifier} is share server {other.id} already.")
    if (there := share_servers.in_use(tx, key)) is not None:
        raise Conflict(f"Share network {network.id} has a share server there: {there}.")
    server = share_servers.add_foreign(tx, key, foreign.identifier, foreign.options)
    look_again(tx, ctx, server)
    return server


def unmanage(tx: Tx, ctx: Context, server_id: str) -> None:
    """Have the manager leave a server as it runs; no share may be on it."""
    server = known(tx, server_id)
    if server.status not in _LEAVABLE:
        raise BadRequest(
            f"Share server {server_id} is {server.status}; to be unmanaged it must be "
            f"{' or '.join(sorted(_LEAVABLE))}."
        )
    if not share_servers.release(tx, server_id):
        count = len(share_servers.shares_on(tx, server_id))
        raise BadRequest(f"Share server {server_id} has {count} share(s) on it.")
    look_again(tx, ctx, server)


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
        global_request_id=ctx.global_request_id,
    )
