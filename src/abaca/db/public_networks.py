"""Public share networks: who uses them besides their project, and which is the default."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from abaca.db import share_networks as networks
from abaca.db.database import Tx
from abaca.db.tables import now, share_networks, shares
from abaca.errors import DatabaseUnavailable
from abaca.model.share_network import ShareNetwork
from abaca.states import NetworkStatus

DEFAULT = 1
"""`ShareNetwork.default_slot` of the designated default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much use others than its project make of a share network."""

    shares: int
    projects: int

    def __str__(self) -> str:
        """How many, and not whose."""
        return f"{self.shares} share(s) of {self.projects} other project(s)"


def use_by_others(tx: Tx, network: ShareNetwork) -> Use:
    """Shares that were asked for or put on it in other projects; deleted ones until they go."""
    on_it = or_(
        shares.c.share_network_id == network.id,
        shares.c.effective_share_network_id == network.id,
    )
    counts = select(
        func.count().label("shares"), func.count(shares.c.project_id.distinct()).label("projects")
    )
    row = tx.execute(counts.where(on_it, shares.c.project_id != network.project_id)).one()
    return Use(shares=row.shares, projects=row.projects)


def named(tx: Tx, name: str) -> list[tuple[str, bool]]:
    """ID and whether it is public, of every share network of this name."""
    column = share_networks.c
    rows = tx.execute(
        select(column.id, column.is_public)
        .where(column.name == name, column.status != str(NetworkStatus.DELETING))
        .order_by(column.created_at, column.id)
    )
    return [(row.id, row.is_public) for row in rows]


def designated(tx: Tx, *, lock: bool = False) -> ShareNetwork | None:
    """The share network that an administrator made the default.

    ``lock`` in a transaction that goes on to put something on it.
    """
    where = share_networks.c.default_slot == DEFAULT
    found = tx.scalar(select(share_networks.c.id).where(where))
    return None if found is None else networks.visible(tx, found, None, lock=lock)


def designate(tx: Tx, network_id: str) -> None:
    """Make it the default, instead of any other."""
    undesignate(tx)
    column = share_networks.c
    try:
        with tx.connection.begin_nested():
            tx.execute(
                update(share_networks)
                .where(column.id == network_id)
                .values(default_slot=DEFAULT, updated_at=now())
            )
    except IntegrityError as error:
        raise DatabaseUnavailable("another default was designated at the same time") from error


def undesignate(tx: Tx) -> None:
    """No share network is the default any more; succeeds if none was."""
    tx.execute(
        update(share_networks)
        .where(share_networks.c.default_slot == DEFAULT)
        .values(default_slot=None, updated_at=now())
    )
