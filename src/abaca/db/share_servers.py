"""Share servers: found, made and counted on here; their life is the manager's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from abaca.db import share_network_subnets
from abaca.db.database import Tx
from abaca.db.paging import fetch
from abaca.db.rows import load
from abaca.db.tables import (
    backend_exports,
    new_id,
    now,
    share_instances,
    share_networks,
    share_servers,
    shares,
)
from abaca.db.tables import share_network_subnets as share_network_subnets_table
from abaca.errors import DatabaseUnavailable
from abaca.model.page import Page, Slice
from abaca.model.share_network import ShareNetwork
from abaca.model.share_server import ShareServer
from abaca.states import ServerStatus

SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": share_servers.c.id,
    "host": share_servers.c.host,
    "status": share_servers.c.status,
    "project_id": share_servers.c.project_id,
    "share_network_id": share_servers.c.share_network_id,
    "created_at": share_servers.c.created_at,
    "updated_at": func.coalesce(share_servers.c.updated_at, share_servers.c.created_at),
}
IN_USE = 0
"""`ShareServer.slot` of the one that takes shares."""
_ATTEMPTS = 5
_ONE = select(share_servers).where(share_servers.c.id == bindparam("server_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKey:
    """What there is one share server for."""

    host: str
    project_id: str
    share_network_id: str
    availability_zone: str


def get(tx: Tx, server_id: str) -> ShareServer | None:
    """One share server, whoever's it is (administrators, managers)."""
    return tx.one(ShareServer, _ONE, {"server_id": server_id})


def find(tx: Tx, filters: Mapping[str, str]) -> list[ShareServer]:
    """Share servers by columns (``host``, ``status``, ``project_id``, ...), newest first."""
    statement = select(share_servers)
    for name, value in filters.items():
        statement = statement.where(share_servers.c[name] == value)
    return tx.all(ShareServer, statement.order_by(*_NEWEST_FIRST))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuery:
    """Which share servers a list is of."""

    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values of columns: ``host``, ``status``, ``project_id``, ``availability_zone``."""
    network: str | None = None
    """ID or name of the share network."""
    subnet_id: str | None = None
    nothing: bool = False
    """None fits: a filter names something that no server has."""


def find_page(tx: Tx, query: ServerQuery, page: Page) -> Slice[ShareServer]:
    """The page of the list."""
    statement, column = select(share_servers), share_servers.c
    if query.nothing:
        statement = statement.where(column.id.is_(None))
    statement = statement.where(*(column[name] == value for name, value in query.equal.items()))
    if query.network is not None:
        network = share_networks.c
        said = or_(network.id == query.network, network.name == query.network)
        statement = statement.where(exists().where(network.id == column.share_network_id, said))
    if query.subnet_id is not None:
        statement = statement.where(_on_subnet(query.subnet_id))
    return fetch(tx, ShareServer, statement, page, key=column.id, columns=SORT_KEYS)


def _on_subnet(subnet_id: str) -> ColumnElement[bool]:
    """The subnet is of the server's zone, or for every zone that has none of its own."""
    subnet, own = share_network_subnets_table.c, share_network_subnets_table.alias().c
    here = own.availability_zone == share_servers.c.availability_zone
    has_own = exists().where(own.share_network_id == share_servers.c.share_network_id, here)
    of_zone = subnet.availability_zone == share_servers.c.availability_zone
    return exists().where(
        subnet.id == subnet_id,
        subnet.share_network_id == share_servers.c.share_network_id,
        or_(of_zone, and_(subnet.availability_zone.is_(None), ~has_own)),
    )


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
        export_id = _OF_SERVER.take(tx, {"server_id": server_id})
        if export_id is not None:
            return server_id, export_id
    raise DatabaseUnavailable(f"{key} was retired {_ATTEMPTS} times while it was chosen")


def claim_backend_export(tx: Tx, host: str) -> int:
    """The next export ID of a single_svm backend."""
    where = {"of_host": host}
    export_id = _OF_BACKEND.take(tx, where)
    if export_id is None:
        try:
            with tx.connection.begin_nested():
                tx.execute(insert(backend_exports).values(host=host, next_export_id=1))
        except IntegrityError:
            pass  # another process was faster: its row is the one to count on
        export_id = _OF_BACKEND.take(tx, where)
    if export_id is None:
        raise DatabaseUnavailable(f"the export IDs of {host} went while one was taken")
    return export_id


class _Numbers:
    """A column that says which number is given out next."""

    def __init__(self, column: Column[int], *where: ColumnElement[bool], **also: object) -> None:
        self._bump = update(column.table).where(*where).values({column.name: column + 1, **also})
        self._told = self._bump.returning(column)
        self._following = select(column).where(*where)

    def take(self, tx: Tx, where: Mapping[str, str]) -> int | None:
        """A number that is nobody else's; None if there is no such row."""
        if tx.connection.dialect.update_returning:
            following = tx.scalar(self._told, where)
        else:  # MariaDB
            following = (
                tx.scalar(self._following, where)
                if tx.execute(self._bump, where).rowcount
                else None
            )
        return None if following is None else int(following) - 1


_OF_BACKEND = _Numbers(
    backend_exports.c.next_export_id, backend_exports.c.host == bindparam("of_host")
)
_OF_SERVER = _Numbers(
    share_servers.c.next_export_id,
    share_servers.c.id == bindparam("server_id"),
    share_servers.c.slot == IN_USE,
    unused_since=None,
)


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
    row = _row(key, ServerStatus.CREATING)
    try:
        with tx.connection.begin_nested():
            tx.execute(insert(share_servers).values(**row, slot=IN_USE))
    except IntegrityError:
        return str(tx.scalar(_find(key)))
    return str(row["id"])


def _row(key: ServerKey, status: ServerStatus) -> dict[str, object]:
    """What every new row has."""
    return {
        "id": new_id(),
        "project_id": key.project_id,
        "share_network_id": key.share_network_id,
        "host": key.host,
        "availability_zone": key.availability_zone,
        "status": status,
        "created_at": now(),
    }


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
    """True if no share is on it any more; it may go from now on, after its delay.

    False for one that goes only when somebody asks for it.
    """
    server = get(tx, server_id)
    stays = server is not None and not (server.is_auto_deletable and server.status.is_ours)
    leaving = server is not None and server.status is ServerStatus.DELETING
    if _shares_on(tx, server_id) or (stays and not leaving):
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
    """Have it go whatever the delay; False, and nothing done, while shares are on it.

    Nor if it is not Abaca's (yet, or any longer).
    """
    locked = select(share_servers).where(share_servers.c.id == server_id).with_for_update()
    server = tx.one(ShareServer, locked)
    if server is None or not server.status.is_ours or _shares_on(tx, server_id):
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
    if server is None or not server.status.is_ours or _shares_on(tx, server_id):
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


def add_foreign(tx: Tx, key: ServerKey, identifier: str, options: Mapping[str, str]) -> ShareServer:
    """Write the row of a server that is to be adopted; it takes no share until it is.

    IntegrityError if the backend has one of this name already.
    """
    row = _row(key, ServerStatus.MANAGE_STARTING)
    tx.execute(
        insert(share_servers).values(
            **row,
            slot=None,
            identifier=identifier,
            driver_options=dict(options),
            is_auto_deletable=False,
        )
    )
    found = get(tx, str(row["id"]))
    assert found is not None  # noqa: S101 - written above
    return found


def known_as(tx: Tx, host: str, identifier: str) -> ShareServer | None:
    """The backend's server that has this name, given or its ID."""
    column = share_servers.c
    named = or_(column.identifier == identifier, column.id == identifier)
    return tx.one(ShareServer, select(share_servers).where(column.host == host, named))


def in_use(tx: Tx, key: ServerKey) -> str | None:
    """The ID of the server of the key that takes shares, if there is one."""
    found = tx.scalar(_find(key))
    return None if found is None else str(found)


def adopted(tx: Tx, server_id: str, details: Mapping[str, str]) -> None:
    """It is Abaca's, and takes shares. IntegrityError if another one does by now."""
    tx.execute(
        update(share_servers)
        .where(
            share_servers.c.id == server_id,
            share_servers.c.status == str(ServerStatus.MANAGE_STARTING),
        )
        .values(slot=IN_USE, status=ServerStatus.ACTIVE, details=dict(details), updated_at=now())
    )


def release(tx: Tx, server_id: str) -> bool:
    """Have it left as it runs; False, and nothing done, while shares are on it."""
    locked = select(share_servers.c.id).where(share_servers.c.id == server_id).with_for_update()
    if tx.scalar(locked) is None or _shares_on(tx, server_id):
        return False
    tx.execute(
        update(share_servers)
        .where(share_servers.c.id == server_id)
        .values(slot=None, status=ServerStatus.UNMANAGE_STARTING, updated_at=now())
    )
    return True


def keep(tx: Tx, server: ShareServer) -> bool:
    """It is Abaca's after all, and takes shares; False, and nothing done, if another one does.

    Where it goes by itself it goes after its delay, from now.
    """
    column = share_servers.c
    statement = (
        update(share_servers)
        .where(column.id == server.id, column.status == str(ServerStatus.UNMANAGE_ERROR))
        .values(
            slot=IN_USE,
            status=str(ServerStatus.ACTIVE),
            unused_since=now() if server.is_auto_deletable else None,
            updated_at=now(),
        )
    )
    try:
        with tx.connection.begin_nested():
            return tx.execute(statement).rowcount == 1
    except IntegrityError:
        return False


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
