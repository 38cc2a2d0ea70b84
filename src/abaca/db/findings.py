"""What audits found: one row per difference, replaced at each look, and bounded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from abaca.db.database import Tx
from abaca.db.paging import fetch
from abaca.db.tables import findings, new_id, now
from abaca.model.finding import (
    NOBODY_KNOWS,
    STRANGE_SERVER,
    Direction,
    Discrepancy,
    Finding,
    FindingCount,
    FindingState,
)
from abaca.model.page import Page, Slice

T = TypeVar("T")
MOST = 1000
"""So many of one backend are kept; where there are more, something greater is wrong."""
REPAIRED_KEPT = timedelta(days=7)
"""For how long what was repaired is shown."""
SEEN_KEPT = timedelta(days=30)
"""For how long a finding stays though nobody looks any more."""
NAME = 255
BATCH = 200

_STATES: Mapping[FindingState, ColumnElement[bool]] = {
    FindingState.SUSPECTED: findings.c.confirmed_at.is_(None) & findings.c.repaired_at.is_(None),
    FindingState.FOUND: findings.c.confirmed_at.is_not(None) & findings.c.repaired_at.is_(None),
    FindingState.REPAIRED: findings.c.repaired_at.is_not(None),
}
SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": findings.c.id,
    "host": findings.c.host,
    "kind": findings.c.kind,
    "resource_id": findings.c.resource_id,
    "direction": findings.c.direction,
    "first_seen": findings.c.first_seen,
    "last_seen": findings.c.last_seen,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuery:
    """Which findings a list is of."""

    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values: ``kind``, ``direction``, ``resource_id``."""
    backend: str | None = None
    """``host@backend``, or the backend alone: of every host."""
    state: FindingState | None = None


def get(tx: Tx, finding_id: str) -> Finding | None:
    """One finding."""
    return tx.one(Finding, select(findings).where(findings.c.id == finding_id))


def find(tx: Tx, query: FindingQuery, page: Page) -> Slice[Finding]:
    """The page of the list."""
    statement, column = select(findings), findings.c
    statement = statement.where(*(column[name] == value for name, value in query.equal.items()))
    if query.backend is not None:
        statement = statement.where(of_backend(column.host, query.backend))
    if query.state is not None:
        statement = statement.where(_STATES[query.state])
    return fetch(tx, Finding, statement, page, key=column.id, columns=SORT_KEYS)


def of_backend(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether the ``host@backend`` in the column is this one; without ``@``: any host's."""
    return column == name if "@" in name else column.endswith(f"@{name}", autoescape=True)


def of_host(tx: Tx, host: str) -> list[Finding]:
    """Every finding of one ``host@backend``, by kind and name."""
    column = findings.c
    statement = select(findings).where(column.host == host)
    return tx.all(Finding, statement.order_by(column.kind, column.resource_id, column.direction))


def count_by_kind(tx: Tx) -> list[FindingCount]:
    """How many there are of each backend, kind and direction that were found (for metrics)."""
    column = findings.c
    groups = (column.host, column.kind, column.direction)
    statement = select(*groups, func.count().label("number")).where(_STATES[FindingState.FOUND])
    return tx.all(FindingCount, statement.group_by(*groups).order_by(*groups))


def first_suspected(tx: Tx, host: str) -> datetime | None:
    """Since when the oldest one waits for a second look; None if none does."""
    statement = select(func.min(findings.c.first_seen)).where(
        findings.c.host == host, _STATES[FindingState.SUSPECTED]
    )
    found: datetime | None = tx.scalar(statement)
    return found


def replace(
    tx: Tx,
    host: str,
    seen: Collection[Discrepancy],
    *,
    knows: Callable[[str], bool],
    confirm_after: timedelta,
) -> list[Finding]:
    """The rows of the backend are what a look has seen; those that are found now.

    What is seen for at least ``confirm_after`` is confirmed. What was not seen is
    forgotten, if whoever ``knows`` that kind could be asked. What was repaired stays for
    a while, and begins anew if it is seen again.
    """
    stamp = now()
    known = {item.key: item for item in of_host(tx, host)}
    wanted = {item.key: item for item in sorted(map(_short, seen), key=_rank)}
    wanted = dict(list(wanted.items())[:MOST])
    gone = [item.id for key, item in known.items() if key not in wanted and _over(item, knows)]
    for some in _batches(gone):
        tx.execute(delete(findings).where(findings.c.id.in_(some)))
    rows = [_row(host, item, stamp) for key, item in wanted.items() if key not in known]
    if rows:
        tx.execute(insert(findings), rows)
    for key in wanted.keys() & known.keys():
        _see_again(tx, known[key], wanted[key].detail, stamp, confirm_after)
    return [item for item in of_host(tx, host) if item.state is FindingState.FOUND]


def _rank(item: Discrepancy) -> tuple[bool, tuple[str, str, str]]:
    """What keeps other things from being removed is never the one that is left out."""
    return (item.kind, item.direction) not in {STRANGE_SERVER, NOBODY_KNOWS}, item.key


def _over(item: Finding, knows: Callable[[str], bool]) -> bool:
    if item.repaired_at is not None:
        return item.repaired_at < now() - REPAIRED_KEPT
    # Whether somebody could be asked, this look knows in any case.
    return item.direction is Direction.NOT_ASKED or knows(item.kind)


def _see_again(tx: Tx, item: Finding, detail: str, stamp: datetime, after: timedelta) -> None:
    values: dict[str, object] = {"last_seen": stamp, "detail": detail}
    if item.repaired_at is not None:
        values |= {"first_seen": stamp, "confirmed_at": None, "repaired_at": None}
    elif item.confirmed_at is None and item.first_seen <= stamp - after:
        values["confirmed_at"] = stamp
    tx.execute(update(findings).where(findings.c.id == item.id).values(**values))


def repaired(tx: Tx, host: str, what: Collection[Discrepancy]) -> None:
    """These were repaired, whether an earlier look had seen them or not."""
    stamp = now()
    known = {item.key: item for item in of_host(tx, host)}
    done = {item.key: item for item in map(_short, what)}
    ids = [known[key].id for key in done if key in known]
    for some in _batches(ids):
        change = update(findings).where(findings.c.id.in_(some))
        tx.execute(change.values(repaired_at=stamp, last_seen=stamp))
    rows = [
        {**_row(host, item, stamp), "repaired_at": stamp}
        for key, item in done.items()
        if key not in known
    ]
    for batch in _batches(rows[: max(0, 2 * MOST - len(known))]):
        tx.execute(insert(findings), batch)


def _batches(items: list[T]) -> Iterator[list[T]]:
    for first in range(0, len(items), BATCH):
        yield items[first : first + BATCH]


def key_of(item: Discrepancy) -> tuple[str, str, str]:
    """By what `Finding.key` it is known here: a very long name is cut."""
    return _short(item).key


def purge(tx: Tx) -> int:
    """Forget what no look has seen for long (of backends that are no more); how many."""
    return tx.execute(delete(findings).where(findings.c.last_seen < now() - SEEN_KEPT)).rowcount


def _row(host: str, item: Discrepancy, stamp: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "host": host,
        "kind": item.kind,
        "resource_id": item.resource_id,
        "direction": str(item.direction),
        "detail": item.detail,
        "first_seen": stamp,
        "last_seen": stamp,
    }


def _short(item: Discrepancy) -> Discrepancy:
    """With a name that fits; all of it is in the detail."""
    if len(item.resource_id) <= NAME:
        return item
    return Discrepancy(
        kind=item.kind,
        resource_id=item.resource_id[:NAME],
        direction=item.direction,
        detail=f"{item.resource_id} {item.detail}".strip(),
    )
