"""Snapshot instances, for the manager that makes them."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update

from abaca.db.database import Tx
from abaca.db.rows import load
from abaca.db.tables import now, snapshot_instances, snapshots
from abaca.model.snapshot import Snapshot, SnapshotInstance
from abaca.states import SnapshotStatus


def snapshot_of(tx: Tx, instance_id: str) -> Snapshot | None:
    """The snapshot with this instance in it."""
    where = snapshot_instances.c.id == instance_id
    row = tx.execute(select(snapshot_instances).where(where)).first()
    if row is None:
        return None
    parent = tx.execute(select(snapshots).where(snapshots.c.id == row.snapshot_id)).one()
    return load(Snapshot, parent, instance=load(SnapshotInstance, row))


def find(tx: Tx, snapshot_id: str, share_instance_id: str | None = None) -> SnapshotInstance | None:
    """The instance of a snapshot on a share instance; the primary one if that isn't said."""
    statement = select(snapshot_instances).where(snapshot_instances.c.snapshot_id == snapshot_id)
    if share_instance_id is None:
        statement = statement.where(snapshot_instances.c.primary_slot == 1)
    else:
        statement = statement.where(snapshot_instances.c.share_instance_id == share_instance_id)
    return tx.one(SnapshotInstance, statement)


def move(
    tx: Tx, instance_id: str, seen: SnapshotStatus, status: SnapshotStatus, progress: str | None
) -> bool:
    """Change the status if it is still the one seen; True if it was."""
    result = tx.execute(
        update(snapshot_instances)
        .where(snapshot_instances.c.id == instance_id, snapshot_instances.c.status == str(seen))
        .values(status=str(status), progress=progress, updated_at=now())
    )
    return result.rowcount == 1


def remove(tx: Tx, instance: SnapshotInstance) -> None:
    """Delete the instance, and its snapshot if it was the last one."""
    tx.execute(delete(snapshot_instances).where(snapshot_instances.c.id == instance.id))
    others = select(func.count()).where(snapshot_instances.c.snapshot_id == instance.snapshot_id)
    if not tx.scalar(others):
        tx.execute(delete(snapshots).where(snapshots.c.id == instance.snapshot_id))
