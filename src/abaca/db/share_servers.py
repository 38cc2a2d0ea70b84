"""Share servers: found, made and counted on here; their life is the manager's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from abaca.db import share_network_subnets
from abaca.db.database import Tx, load
from abaca.db.tables import (
    backend_exports,
    new_id,
    now,
    share_instances,
    share_networks,
    share_servers,
    shares,
)
from abaca.errors import DatabaseUnavailable
from abaca.model.share_network import ShareNetwork
from abaca.model.share_server import ShareServer
from abaca.states import ServerStatus

IN_USE = 0
"""`ShareServer.slot` of the one that takes shares."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKey:
    """What there is one share server for."""

    host: str
    project_id: str
    share_network_id: str
    availability_zone: str


def get(tx: Tx, server_id: str) -> ShareServer | None:
    """One share server, whoever's it is (administrators, managers)."""
    return tx.one(ShareServer, select(share_servers).where(share_servers.c.id == server_id))


def find(tx: Tx, filters: Mapping[str, str]) -> list[ShareServer]:
    """Share servers by columns (``host``, ``status``, ``project_id``, ...), newest first."""
    statement = select(share_servers)
    for name, value in filters.items():
        statement = statement.where(share_servers.c[name] == value)
    return tx.all(ShareServer, statement.order_by(*_NEWEST_FIRST))


def of_network(tx: Tx, share_network_id: str) -> list[ShareServer]:
    """Every share server of a share network, on its way out or not."""
    return find(tx, {"share_network_id": share_network_id})


def claim_export(tx: Tx, key: ServerKey) -> tuple[str, int]:
    """The share server of the key, made if there is none, and its next export ID.

    A server that was unused is in use from here: the manager looks at
    ``unused_since`` in the transaction that retires it.
    """
    for _ in range(_ATTEMPTS):
        server_id = tx.scalar(_find(key)) or _insert(tx, key)
        taken = tx.execute(
            update(share_servers)
            .where(share_servers.c.id == server_id, share_servers.c.slot == IN_USE)
            .values(next_export_id=share_servers.c.next_export_id + 1, unused_since=None)
        )
        if taken.rowcount == 1:
            following = tx.scalar(
                select(share_servers.c.next_export_id).where(share_servers.c.id == server_id)
            )
            return server_id, int(following) - 1
    raise DatabaseUnavailable(f"{key} was retired {_ATTEMPTS} times while it was chosen")


def claim_backend_export(tx: Tx, host: str) -> int:
    """The next export ID of a single_svm backend."""
    where = backend_exports.c.host == host
    bump = (
        update(backend_exports)
        .where(where)
        .values(next_export_id=backend_exports.c.next_export_id + 1)
    )
    if tx.execute(bump).rowcount == 0:
        try:
            with tx.connection.begin_nested():
                tx.execute(insert(backend_exports).values(host=host, next_export_id=1))
        except IntegrityError:
            pass  # another process was faster: its row is the one to count on
        tx.execute(bump)
    return int(tx.scalar(select(backend_exports.c.next_export_id).where(where))) - 1


def _find(key: ServerKey) -> Select[Any]:
    # A locking read: on MariaDB a plain one would not see a row that another
    # transaction committed after this one began.
    return (
        select(share_servers.c.id)
        .where(
            share_servers.c.host == key.host,
            share_servers.c.project_id == key.project_id,
            share_servers.c.share_network_id == key.share_network_id,
            share_servers.c.availability_zone == key.availability_zone,
            share_servers.c.slot == IN_USE,
        )
        .with_for_update()
    )


def _insert(tx: Tx, key: ServerKey) -> str:
    """Make the row, or give the one that another process made in the meantime."""
    server_id = new_id()
    try:
        with tx.connection.begin_nested():
            tx.execute(
                insert(share_servers).values(
                    id=server_id,
                    project_id=key.project_id,
                    share_network_id=key.share_network_id,
                    host=key.host,
                    availability_zone=key.availability_zone,
                    slot=IN_USE,
                    status=ServerStatus.CREATING,
                    created_at=now(),
                )
            )
    except IntegrityError:
        return str(tx.scalar(_find(key)))
    return server_id


def activate(tx: Tx, server_id: str, details: Mapping[str, str]) -> None:
    """The server serves; a server that is on its way out stays so."""
    tx.execute(
        update(share_servers)
        .where(share_servers.c.id == server_id, share_servers.c.slot == IN_USE)
        .values(status=ServerStatus.ACTIVE, details=dict(details), updated_at=now())
    )


def set_status(tx: Tx, server_id: str, status: ServerStatus) -> None:
    """The server has this status now."""
    tx.execute(
        update(share_servers)
        .where(share_servers.c.id == server_id)
        .values(status=status, updated_at=now())
    )


def mark_unused(tx: Tx, server_id: str) -> bool:
    """True if no share is on it any more; it may go from now on, after its delay."""
    if _shares_on(tx, server_id):
        return False
    tx.execute(
        update(share_servers)
        .where(share_servers.c.id == server_id, share_servers.c.unused_since.is_(None))
        .values(unused_since=now())
    )
    return True


def network_of(tx: Tx, server: ShareServer) -> ShareNetwork:
    """The server's share network with its subnets, though it be on its way out."""
    where = share_networks.c.id == server.share_network_id
    row = tx.execute(select(share_networks).where(where)).one()
    subnets = share_network_subnets.of_networks(tx, [row.id]).get(row.id, ())
    return load(ShareNetwork, row, subnets=subnets)


def condemn(tx: Tx, server_id: str) -> bool:
    """Have it go whatever the delay; False, and nothing done, while shares are on it."""
    locked = select(share_servers.c.id).where(share_servers.c.id == server_id).with_for_update()
    if tx.scalar(locked) is None or _shares_on(tx, server_id):
        return False
    tx.execute(
        update(share_servers)
        .where(share_servers.c.id == server_id)
        .values(slot=None, status=str(ServerStatus.DELETING), updated_at=now())
    )
    return True


def retire(tx: Tx, server_id: str, idle_seconds: float) -> bool:
    """Take it out of use if it is to go: asked for, or empty for so long. True if it is to go.

    Locks the row, which placing a share changes: after this nothing can be put on it.
    """
    locked = select(share_servers).where(share_servers.c.id == server_id).with_for_update()
    server = tx.one(ShareServer, locked)
    if server is None or _shares_on(tx, server_id):
        return False
    if server.slot is not None and server.status is not ServerStatus.DELETING:
        since = server.unused_since
        if since is None or now() < since + timedelta(seconds=idle_seconds):
            return False
    tx.execute(
        update(share_servers)
        .where(share_servers.c.id == server_id)
        .values(slot=None, status=ServerStatus.DELETING, updated_at=now())
    )
    return True


def remove(tx: Tx, server_id: str) -> None:
    """Delete the row; nothing may refer to it any more."""
    tx.execute(delete(share_servers).where(share_servers.c.id == server_id))


def shares_on(tx: Tx, server_id: str) -> list[tuple[str, str]]:
    """ID and project of each share on a share server."""
    rows = tx.execute(
        select(shares.c.id, shares.c.project_id)
        .join(share_instances, share_instances.c.share_id == shares.c.id)
        .where(share_instances.c.share_server_id == server_id)
        .order_by(shares.c.id)
    )
    return [(row.id, row.project_id) for row in rows]


def _shares_on(tx: Tx, server_id: str) -> int:
    return int(
        tx.scalar(
            select(func.count())
            .select_from(share_instances)
            .where(share_instances.c.share_server_id == server_id)
        )
    )


_NEWEST_FIRST = (share_servers.c.created_at.desc(), share_servers.c.id.desc())
