"""Snapshots with their primary instances: made, found, listed, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from abaca.db import snapshot_metadata
from abaca.db.database import Tx
from abaca.db.paging import fetch, like
from abaca.db.rows import dump, load
from abaca.db.tables import now, snapshot_instances, snapshots
from abaca.db.tables import snapshot_metadata as metadata_rows
from abaca.model.page import Page, Slice
from abaca.model.snapshot import Snapshot, SnapshotInstance

PRIMARY = 1
_PREFIX = "instance_"
_JOINED = and_(
    snapshot_instances.c.snapshot_id == snapshots.c.id,
    snapshot_instances.c.primary_slot == PRIMARY,
)
SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": snapshots.c.id,
    "name": func.coalesce(snapshots.c.name, ""),
    "display_name": func.coalesce(snapshots.c.name, ""),
    "description": func.coalesce(snapshots.c.description, ""),
    "display_description": func.coalesce(snapshots.c.description, ""),
    "size": snapshots.c.size,
    "share_size": snapshots.c.share_size,
    "share_id": snapshots.c.share_id,
    "share_proto": snapshots.c.share_proto,
    "status": snapshot_instances.c.status,
    "progress": func.coalesce(snapshot_instances.c.progress, ""),
    "project_id": snapshots.c.project_id,
    "user_id": func.coalesce(snapshots.c.user_id, ""),
    "created_at": snapshots.c.created_at,
    "updated_at": func.coalesce(snapshots.c.updated_at, snapshots.c.created_at),
}
_EQUAL: Mapping[str, ColumnElement[Any]] = {
    "id": snapshots.c.id,
    "name": snapshots.c.name,
    "description": snapshots.c.description,
    "status": snapshot_instances.c.status,
    "share_id": snapshots.c.share_id,
    "user_id": snapshots.c.user_id,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotQuery:
    """Which snapshots a list is of."""

    project_id: str | None
    """None: every project's."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values, by name as in the API."""
    size: int | None = None
    name_part: str | None = None
    description_part: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def get(tx: Tx, snapshot_id: str, *, lock: bool = False) -> Snapshot | None:
    """One snapshot, whoever's it is; ``lock`` keeps its instance as read until ``tx`` ends."""
    statement = _select().where(snapshots.c.id == snapshot_id)
    if lock:
        statement = statement.with_for_update(of=snapshot_instances)
    row = tx.execute(statement).one_or_none()
    if row is None:
        return None
    if lock:
        tx.hold(f"snapshot {snapshot_id}")
    return replace(_snapshot(row), metadata=snapshot_metadata.get(tx, snapshot_id))


def find(tx: Tx, query: SnapshotQuery, page: Page) -> Slice[Snapshot]:
    """The page of the list."""
    found = fetch(
        tx,
        Snapshot,
        _where(query),
        page,
        key=snapshots.c.id,
        columns=SORT_KEYS,
        make=_snapshot,
    )
    metadata = snapshot_metadata.of_snapshots(tx, [item.id for item in found.items])
    items = tuple(replace(item, metadata=metadata.get(item.id, {})) for item in found.items)
    return replace(found, items=items)


def of_share(tx: Tx, share_id: str) -> list[Snapshot]:
    """Every snapshot of the share, newest first."""
    newest_first = (snapshots.c.created_at.desc(), snapshots.c.id.desc())
    statement = _select().where(snapshots.c.share_id == share_id).order_by(*newest_first)
    return [_snapshot(row) for row in tx.execute(statement)]


def add(tx: Tx, snapshot: Snapshot) -> None:
    """Write the rows of a new snapshot and its primary instance."""
    tx.execute(insert(snapshots).values(dump(snapshot, snapshots)))
    values = dump(snapshot.instance, snapshot_instances)
    tx.execute(insert(snapshot_instances).values(values | {"primary_slot": PRIMARY}))
    snapshot_metadata.put(tx, snapshot.id, snapshot.metadata)


def change(tx: Tx, snapshot_id: str, **values: object) -> None:
    """Set columns of the snapshot."""
    where = snapshots.c.id == snapshot_id
    tx.execute(update(snapshots).where(where).values(updated_at=now(), **values))


def change_instance(tx: Tx, instance_id: str, **values: object) -> None:
    """Set columns of a snapshot instance."""
    where = snapshot_instances.c.id == instance_id
    tx.execute(update(snapshot_instances).where(where).values(updated_at=now(), **values))


def remove(tx: Tx, snapshot_id: str) -> None:
    """Delete the rows of a snapshot."""
    tx.execute(delete(snapshots).where(snapshots.c.id == snapshot_id))


def _select() -> Select[Any]:
    instance = [column.label(_PREFIX + column.name) for column in snapshot_instances.c]
    return select(*snapshots.c, *instance).select_from(snapshots).join(snapshot_instances, _JOINED)


def _snapshot(row: Row[Any]) -> Snapshot:
    return load(Snapshot, row, instance=load(SnapshotInstance, row, prefix=_PREFIX))


def _where(query: SnapshotQuery) -> Select[Any]:
    """The list's statement, without order."""
    statement = _select()
    if query.project_id is not None:
        statement = statement.where(snapshots.c.project_id == query.project_id)
    for name, value in query.equal.items():
        statement = statement.where(_EQUAL[name] == value)
    if query.size is not None:
        statement = statement.where(snapshots.c.size == query.size)
    if query.name_part is not None:
        statement = statement.where(like(snapshots.c.name, query.name_part))
    if query.description_part is not None:
        statement = statement.where(like(snapshots.c.description, query.description_part))
    rows = metadata_rows.c
    return statement.where(
        *(
            exists().where(rows.snapshot_id == snapshots.c.id, rows.key == key, rows.value == value)
            for key, value in query.metadata.items()
        )
    )
