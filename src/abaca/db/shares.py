"""Shares with their primary instances: made, found, listed, changed, removed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from abaca.db import share_metadata
from abaca.db.database import Tx
from abaca.db.rows import dump, load
from abaca.db.tables import (
    now,
    share_instances,
    shares,
    snapshots,
)
from abaca.model.share import Share, ShareInstance
from abaca.states import ShareStatus

PRIMARY = 1
_PREFIX = "instance_"
PRIMARY_JOIN = and_(
    share_instances.c.share_id == shares.c.id, share_instances.c.primary_slot == PRIMARY
)


def get(tx: Tx, share_id: str, *, lock: bool = False) -> Share | None:
    """One share, whoever's it is; ``lock`` keeps its instance as read until the end of ``tx``."""
    row = tx.execute(_LOCKED if lock else _ONE, {"share_id": share_id}).one_or_none()
    if row is None:
        return None
    if lock:
        tx.hold(f"share {share_id}")
    return replace(_without_metadata(row), metadata=share_metadata.get(tx, share_id))


def add(tx: Tx, share: Share) -> None:
    """Write the rows of a new share, its primary instance and its metadata."""
    tx.execute(_ADD, dump(share, shares))
    values = dump(share.instance, share_instances)
    values |= {"primary_slot": PRIMARY, "excluded": list(share.instance.excluded)}
    tx.execute(_ADD_INSTANCE, values)
    share_metadata.add(tx, share.id, share.metadata)


def change(tx: Tx, share_id: str, **values: object) -> None:
    """Set columns of the share."""
    tx.execute(update(shares).where(shares.c.id == share_id).values(updated_at=now(), **values))


def change_instance(tx: Tx, instance_id: str, **values: object) -> None:
    """Set columns of a share instance."""
    where = share_instances.c.id == instance_id
    tx.execute(update(share_instances).where(where).values(updated_at=now(), **values))


def remove(tx: Tx, share_id: str) -> None:
    """Delete the rows of a share, with its instances, metadata, rules and export locations."""
    tx.execute(delete(shares).where(shares.c.id == share_id))


def snapshot_count(tx: Tx, share_id: str) -> int:
    """How many snapshots the share has, in whatever state."""
    rows = select(func.count()).select_from(snapshots).where(snapshots.c.share_id == share_id)
    return int(tx.scalar(rows))


def clones_under_way(tx: Tx, snapshot_id: str, statuses: Collection[str]) -> int:
    """How many shares that are made from the snapshot have one of these statuses."""
    rows = select(func.count()).select_from(shares).join(share_instances, PRIMARY_JOIN)
    rows = rows.where(
        shares.c.snapshot_id == snapshot_id, share_instances.c.status.in_(sorted(statuses))
    )
    return int(tx.scalar(rows))


def due_in_bin(
    tx: Tx, moment: datetime, hosts: Collection[str], limit: int, *, lock: bool = True
) -> list[Share]:
    """Shares whose time in the recycle bin is up, on these backends or on none."""
    at = share_instances.c.host
    gone = [str(ShareStatus.DELETING), str(ShareStatus.ERROR_DELETING)]
    statement = (
        _select()
        .where(
            shares.c.is_soft_deleted.is_(True),
            shares.c.scheduled_to_be_deleted_at <= moment,
            or_(at.in_(sorted(hosts)), at.is_(None)),
            share_instances.c.status.not_in(gone),
        )
        .order_by(shares.c.scheduled_to_be_deleted_at)
        .limit(limit)
    )
    if lock:
        statement = statement.with_for_update(of=share_instances)
    return [_without_metadata(row) for row in tx.execute(statement)]


def _select() -> Select[Any]:
    instance = [column.label(_PREFIX + column.name) for column in share_instances.c]
    return select(*shares.c, *instance).select_from(shares).join(share_instances, PRIMARY_JOIN)


_ADD, _ADD_INSTANCE = insert(shares), insert(share_instances)
_ONE = _select().where(shares.c.id == bindparam("share_id"))
_LOCKED = _ONE.with_for_update(of=share_instances)


def _without_metadata(row: Row[Any]) -> Share:
    return load(Share, row, instance=load(ShareInstance, row, prefix=_PREFIX))
