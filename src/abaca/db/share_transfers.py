"""Share transfers: found, made, ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from abaca.db.database import Tx
from abaca.db.paging import fetch, like
from abaca.db.rows import dump
from abaca.db.tables import now, share_instances, share_transfers, shares, snapshots
from abaca.model.page import Page, Slice
from abaca.model.share_transfer import ShareTransfer
from abaca.states import ShareStatus

SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": share_transfers.c.id,
    "name": func.coalesce(share_transfers.c.name, ""),
    "display_name": func.coalesce(share_transfers.c.name, ""),
    "resource_id": share_transfers.c.share_id,
    "source_project_id": share_transfers.c.project_id,
    "created_at": share_transfers.c.created_at,
    "expires_at": share_transfers.c.expires_at,
}
COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "id": share_transfers.c.id,
    "name": share_transfers.c.name,
    "resource_id": share_transfers.c.share_id,
    "source_project_id": share_transfers.c.project_id,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferQuery:
    """Which transfers a list is of."""

    project_id: str | None
    """None: every project's."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values, by name of `COLUMNS`."""
    name_part: str | None = None
    nothing: bool = False
    """None fits: they are all of shares."""


def get(tx: Tx, transfer_id: str, *, lock: bool = False) -> ShareTransfer | None:
    """One that has not expired, whoever's it is."""
    statement = select(share_transfers).where(
        share_transfers.c.id == transfer_id, share_transfers.c.expires_at > now()
    )
    return tx.one(ShareTransfer, statement.with_for_update() if lock else statement)


def find(tx: Tx, query: TransferQuery, page: Page) -> Slice[ShareTransfer]:
    """The page of the list."""
    statement = select(share_transfers).where(share_transfers.c.expires_at > now())
    if query.nothing:
        statement = statement.where(share_transfers.c.id.is_(None))
    if query.project_id is not None:
        statement = statement.where(share_transfers.c.project_id == query.project_id)
    statement = statement.where(*(COLUMNS[name] == item for name, item in query.equal.items()))
    if query.name_part is not None:
        statement = statement.where(like(share_transfers.c.name, query.name_part))
    return fetch(tx, ShareTransfer, statement, page, key=share_transfers.c.id, columns=SORT_KEYS)


def add(tx: Tx, transfer: ShareTransfer) -> None:
    """Write a new one; its share waits for it."""
    tx.execute(insert(share_transfers).values(dump(transfer, share_transfers)))
    _move(tx, transfer.share_id, ShareStatus.AVAILABLE, ShareStatus.AWAITING_TRANSFER)


def end(tx: Tx, transfer: ShareTransfer) -> None:
    """It is taken up, taken back, or too old: its share waits no longer."""
    tx.execute(delete(share_transfers).where(share_transfers.c.id == transfer.id))
    _move(tx, transfer.share_id, ShareStatus.AWAITING_TRANSFER, ShareStatus.AVAILABLE)


def any_expired(tx: Tx, moment: datetime) -> bool:
    """Whether some are too old."""
    where = share_transfers.c.expires_at <= moment
    return tx.scalar(select(share_transfers.c.id).where(where).limit(1)) is not None


def end_expired(tx: Tx, moment: datetime) -> int:
    """End those that are too old; how many."""
    old = tx.all(
        ShareTransfer,
        select(share_transfers).where(share_transfers.c.expires_at <= moment).with_for_update(),
    )
    for transfer in old:
        end(tx, transfer)
    return len(old)


def hand_over(tx: Tx, share_id: str, project_id: str, user_id: str) -> None:
    """The share and its snapshots are this project's."""
    whose = {"project_id": project_id, "user_id": user_id, "updated_at": now()}
    tx.execute(update(shares).where(shares.c.id == share_id).values(**whose))
    tx.execute(update(snapshots).where(snapshots.c.share_id == share_id).values(**whose))


def _move(tx: Tx, share_id: str, seen: ShareStatus, status: ShareStatus) -> None:
    tx.execute(
        update(share_instances)
        .where(share_instances.c.share_id == share_id, share_instances.c.status == str(seen))
        .values(status=str(status), updated_at=now())
    )
