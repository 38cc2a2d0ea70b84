"""What the database says there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import CompoundSelect, Row, func, literal_column, select, union_all

from abaca.db import tables as t
from abaca.db.database import Database
from abaca.states import ShareStatus

COUNTED = (
    t.shares,
    t.share_instances,
    t.share_servers,
    t.snapshots,
    t.snapshot_instances,
    t.access_rules,
    t.export_locations,
    t.allocations,
    t.made_networks,
    t.share_networks,
    t.share_network_subnets,
    t.share_transfers,
    t.segments,
)
_MOVING = [str(item) for item in ShareStatus if item.in_motion]
_SNAPSHOT_MOVING = ["creating", "restoring", "deleting"]
_SERVER_MOVING = ["creating", "deleting", "manage_starting", "unmanage_starting"]
_RULES_AT_REST = ["active", "error"]


_CENSUS: CompoundSelect[Any] = union_all(
    *(
        select(literal_column(f"'rows of {table.name}'"), func.count()).select_from(table)
        for table in COUNTED
    ),
    select(literal_column("'addresses held'"), func.count())
    .select_from(t.addresses)
    .where(t.addresses.c.owner.is_not(None)),
)


def census(db: Database) -> Counter[str]:
    """How many rows there are of each kind, and addresses that are held."""
    with db.read() as tx:
        return +Counter({_text(row, 0): int(_text(row, 1)) for row in tx.execute(_CENSUS)})


_TASKS = select(t.tasks)
_STATES: CompoundSelect[Any] = union_all(
    *(
        select(literal_column(f"'{table.name}'"), table.c.id, column).where(where)
        for table, column, where in (
            (t.share_instances, t.share_instances.c.status,
             t.share_instances.c.status.in_(_MOVING)),
            (t.snapshot_instances, t.snapshot_instances.c.status,
             t.snapshot_instances.c.status.in_(_SNAPSHOT_MOVING)),
            (t.share_servers, t.share_servers.c.status,
             t.share_servers.c.status.in_(_SERVER_MOVING)),
            (t.access_rules, t.access_rules.c.state,
             t.access_rules.c.state.not_in(_RULES_AT_REST)),
        )
    )
)  # fmt: skip


def unsettled(db: Database) -> list[str]:
    """Live tasks, or else what is in a transitional state, one line each; [] if all is at rest."""
    with db.read() as tx:
        tasks = tx.execute(_TASKS).all()
        if tasks:
            return [
                f"task {row.kind} {row.resource_id}: attempt {row.attempts}, {row.last_error}"
                for row in tasks
            ]
        rows = tx.execute(_STATES).all()
        return [f"{_text(row, 0)} {_text(row, 1)} is {_text(row, 2)}" for row in rows]


def _text(row: Row[Any], index: int) -> str:
    values: Sequence[object] = row
    return str(values[index])
