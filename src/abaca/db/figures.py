"""How many there are of everything, counted by the database, for monitoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Table, case, func, select

from abaca.db import address_gaps, findings, pools, services
from abaca.db.clock import read_clock
from abaca.db.database import Tx
from abaca.db.tables import (
    addresses,
    allocations,
    now,
    share_instances,
    share_servers,
    snapshot_instances,
    tasks,
)
from abaca.model.finding import FindingCount
from abaca.model.pool import Pool, Service

REST = timedelta(minutes=10)
"""For so long a freed address counts as resting: the default of address_rest_seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything, as one read transaction saw it."""

    shares: Mapping[str, int]
    """By status; the same of servers and snapshots."""
    servers: Mapping[str, int]
    snapshots: Mapping[str, int]
    tasks: Mapping[tuple[str, str], int]
    """By kind and state: ``waiting``, ``running``, ``retrying``, ``later``."""
    oldest_waiting: Mapping[str, float]
    """By kind: for how many seconds the first task that is due has waited for a worker."""
    leases_expired: int
    findings: Sequence[FindingCount]
    """Of audits: confirmed, and not repaired."""
    services: Sequence[Service]
    pools: Sequence[Pool]
    interfaces: Mapping[str, int]
    """Interfaces of share servers, by network section."""
    addresses: Mapping[tuple[str, str], int]
    """Of the ledger, by whose they are (see `_owner`) and state: ``used``, ``forgotten``,
    ``answered`` and ``imported`` (others have them), ``resting``, ``free``, ``reserved``."""


def read(tx: Tx) -> Figures:
    """All of it; each table is read once."""
    counts, waits = _tasks(tx)
    return Figures(
        shares=_by(tx, share_instances, share_instances.c.status),
        servers=_by(tx, share_servers, share_servers.c.status),
        snapshots=_by(tx, snapshot_instances, snapshot_instances.c.status),
        tasks=counts,
        oldest_waiting=waits,
        leases_expired=leases_expired(tx),
        findings=findings.count_by_kind(tx),
        services=services.every(tx),
        pools=pools.every(tx),
        interfaces=_by(tx, allocations, allocations.c.section),
        addresses=_addresses(tx),
    )


def _by(tx: Tx, table: Table, column: ColumnElement[str]) -> dict[str, int]:
    number = func.count().label("number")
    rows = tx.execute(select(column.label("name"), number).select_from(table).group_by(column))
    return {row.name: int(row.number) for row in rows}


def leases_expired(tx: Tx, *, seconds: float = 0.0) -> int:
    """Leases on tasks that ran out (so long ago) and were not taken over yet."""
    clock, column = read_clock(tx), tasks.c
    late = (column.lease_until < clock.now - seconds) | (column.lease_epoch != clock.epoch)
    statement = select(func.count()).where(column.running_lane.is_not(None), late)
    return int(tx.scalar(statement))


def _tasks(tx: Tx) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    clock, column = read_clock(tx), tasks.c
    due = (column.due_at <= clock.now) | (column.lease_epoch != clock.epoch)
    state = case(
        (column.running_lane.is_not(None), "running"),
        (column.attempts > 0, "retrying"),
        (due, "waiting"),
        else_="later",
    )
    each = select(column.kind, column.due_at, state.label("state")).subquery().c
    rows = tx.execute(
        select(
            each.kind, each.state, func.count().label("number"), func.min(each.due_at).label("due")
        ).group_by(each.kind, each.state)
    ).all()
    counts = {(row.kind, row.state): int(row.number) for row in rows}
    # Due times of another boot say nothing: then it has not waited long.
    waits = {row.kind: max(0.0, clock.now - row.due) for row in rows if row.state == "waiting"}
    return counts, waits


def _addresses(tx: Tx) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    column = addresses.c
    sort = (column.pool, column.owner.is_not(None).label("owned"), column.reason)
    for row in tx.execute(select(*sort, func.count().label("number")).group_by(*sort)):
        state = "used" if row.owned else row.reason or "forgotten"
        found[_owner(row.pool), state] += int(row.number)
    for pool, room in address_gaps.rooms(tx, now() - REST).items():
        found[_owner(pool), "free"] += room.free - room.resting
        found[_owner(pool), "resting"] += room.resting
    for pool, spec in address_gaps.every(tx).items():
        found[_owner(pool), "reserved"] += spec.kept
    return dict(found)


def _owner(pool: str) -> str:
    """The network section whose pool it is; ``tenants`` of networks that sections share."""
    kind, _, rest = pool.partition(":")
    return rest.partition("/")[0] if kind in {"flat", "made"} else "tenants"
