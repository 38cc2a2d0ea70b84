"""The task queue's SQL: enqueue here; claim, extend and finish beside it.

A task is not a command but a note that a resource's row and the world may
differ; its handler looks at both. So asking twice is one task with a higher
generation, and at most one task per resource is alive.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Executable, case
from sqlalchemy.dialects import mysql, postgresql, sqlite

from abaca.db.clock import Reading, read_clock
from abaca.db.database import Tx
from abaca.db.tables import new_id, now, tasks
from abaca.model.task import TaskKind
from abaca.work.doorbell import doorbell

PATIENCE = timedelta(minutes=30)
"""For how long a retriable failure is retried after the last request."""


def enqueue(
    tx: Tx,
    kind: TaskKind,
    resource_id: str,
    *,
    queue: str | None,
    lane: str,
    project_id: str | None,
    request_id: str | None,
    delay: float = 0.0,
) -> None:
    """Have the resource looked at, ``delay`` seconds from now, durably with this transaction.

    ``queue`` is the ``host@backend`` whose workers may take it (None: any
    manager), ``lane`` names what must not be worked on twice at once: the share
    server's ID, or the resource's own.
    """
    clock = read_clock(tx)
    stamp = now()
    asked = {
        "queue": queue,
        "lane": lane,
        "project_id": project_id,
        "request_id": request_id,
        "attempts": 0,
        "deadline": stamp + PATIENCE,
    }
    row = {
        "id": new_id(),
        "kind": str(kind),
        "resource_id": resource_id,
        "generation": 1,
        "due_at": clock.now + delay,
        "lease_epoch": clock.epoch,
        "lease_token": 0,
        "created_at": stamp,
        **asked,
    }
    tx.execute(_upsert(tx.dialect, row, _again(clock, delay, asked | {"updated_at": stamp})))
    tx.after_commit(doorbell.ring)


def _again(clock: Reading, delay: float, asked: dict[str, Any]) -> dict[str, Any]:
    """What changes in the row of a task that is alive already.

    Times of another epoch mean nothing, so a lease of one is dropped. Sets the
    epoch last: MariaDB evaluates in order, and sees what was set before.
    """
    due, column = clock.now + delay, tasks.c
    stale = column.lease_epoch != clock.epoch
    return {
        "due_at": case((stale, due), (column.due_at > due, due), else_=column.due_at),
        "lease_until": case((stale, None), else_=column.lease_until),
        "running_lane": case((stale, None), else_=column.running_lane),
        "generation": column.generation + 1,
        **asked,
        "lease_epoch": clock.epoch,
    }


def _upsert(dialect: str, row: dict[str, Any], changes: dict[str, Any]) -> Executable:
    if dialect == "sqlite":
        return (
            sqlite.insert(tasks)
            .values(row)
            .on_conflict_do_update(index_elements=["kind", "resource_id"], set_=changes)
        )
    if dialect == "postgresql":
        return (
            postgresql.insert(tasks)
            .values(row)
            .on_conflict_do_update(index_elements=["kind", "resource_id"], set_=changes)
        )
    return mysql.insert(tasks).values(row).on_duplicate_key_update(list(changes.items()))
