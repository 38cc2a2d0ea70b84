"""The task queue's SQL: enqueue here; claim, extend and finish beside it.

A task is not a command but a note that a resource's row and the world may
differ; its handler looks at both. So asking twice is one task with a higher
generation, and at most one task per resource is alive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Float,
    Integer,
    Row,
    Select,
    String,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from abaca.db.among import among
from abaca.db.clock import clock_in, clock_values, epoch_in, read_clock
from abaca.db.database import Tx
from abaca.db.rows import load
from abaca.db.tables import new_id, now, tasks
from abaca.errors import LeaseLost
from abaca.model.task import Task, TaskKind
from abaca.work.doorbell import doorbell
from abaca.work.notices import NOTICE, announced, notice_values

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
    global_request_id: str | None = None,
    delay: float = 0.0,
) -> None:
    """Have the resource looked at, ``delay`` seconds from now, durably with this transaction.

    ``queue`` is the ``host@backend`` whose workers may take it (None: any
    manager), ``lane`` names what must not be worked on twice at once: the share
    server's ID, or the resource's own.
    """
    stamp, told = now(), tx.dialect == "postgresql" and not delay
    clock = clock_values(tx.dialect)
    row = {
        "id": new_id(),
        "kind": str(kind),
        "resource_id": resource_id,
        "queue": queue,
        "lane": lane,
        "generation": 1,
        "attempts": 0,
        "deadline": stamp + PATIENCE,
        "lease_epoch": epoch_in(tx.dialect),
        "lease_token": 0,
        "created_at": stamp,
        "project_id": project_id,
        "request_id": request_id,
        "global_request_id": global_request_id,
    }
    also = {**clock, "delay": delay, **(notice_values(queue) if told else {})}
    tx.execute(_upsert(tx.dialect, told), {**row, **also})
    tx.after_commit(doorbell.ring)
    if told:
        announced(tx)


@cache
def _upsert(dialect: str, told: bool) -> Executable:
    """A new task, or what changes in the row of one that is alive already.

    ``told``: other processes are woken by the same statement.
    """
    # Each dialect is a tenth of a second to load: only the one that is used.
    keys = ["kind", "resource_id"]
    due = {"due_at": clock_in(dialect) + bindparam("delay", type_=Float(53))}
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        lite = sqlite.insert(tasks).values(due)
        return lite.on_conflict_do_update(index_elements=keys, set_=dict(_again(lite.excluded)))
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        postgres = postgresql.insert(tasks).values(due)
        again = dict(_again(postgres.excluded))
        upsert = postgres.on_conflict_do_update(index_elements=keys, set_=again)
        return upsert.returning(NOTICE) if told else upsert
    from sqlalchemy.dialects import mysql  # noqa: PLC0415

    maria = mysql.insert(tasks).values(due)
    return maria.on_duplicate_key_update(_again(maria.inserted))


def _again(new: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - the columns of the row asked for
    """What changes in a task's row when it is asked for again.

    Times of another epoch mean nothing, so a lease of one is dropped. Sets the
    epoch last: MariaDB evaluates in order, and sees what was set before. What the
    manager asks for itself does not make people forget who asked before.
    """
    old = tasks.c
    stale, by_people = old.lease_epoch != new.lease_epoch, new.request_id.is_not(None)
    called = case((by_people, new.global_request_id), else_=old.global_request_id)
    earlier = or_(stale, old.due_at > new.due_at)
    return [
        ("due_at", case((earlier, new.due_at), else_=old.due_at)),
        ("lease_until", case((stale, None), else_=old.lease_until)),
        ("running_lane", case((stale, None), else_=old.running_lane)),
        ("generation", old.generation + 1),
        ("queue", new.queue),
        ("lane", new.lane),
        ("attempts", 0),
        ("deadline", new.deadline),
        ("global_request_id", called),
        ("request_id", case((by_people, new.request_id), else_=old.request_id)),
        ("project_id", func.coalesce(new.project_id, old.project_id)),
        ("updated_at", new.created_at),
        ("lease_epoch", new.lease_epoch),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a look at the queue found."""

    ready: tuple[str, ...]
    """IDs of tasks that may be claimed, one per lane, first due first."""
    expired: bool
    """True if some lease ran out: `break_expired` first."""
    next_due: float | None
    """Seconds until another task becomes due; None if there is none."""
    now: float
    """The clock at that moment."""


def look(tx: Tx, queues: Collection[str], kinds: Collection[TaskKind], limit: int) -> Outlook:
    """What these queues have to do of these kinds, without writing anything."""
    values = {
        "queues": list(queues),
        "kinds": [str(kind) for kind in kinds],
        "epoch": epoch_in(tx.dialect),
        "most": limit,
    }
    here = tx.dialect != "postgresql"
    clock = {"clock": read_clock(tx).now} if here else clock_values(tx.dialect)
    rows = tx.execute(_outlook(tx.dialect), {**values, **clock}).all()
    rest = rows[0]
    return Outlook(
        ready=tuple(row.id for row in rows if row.id is not None),
        expired=bool(rest.expired),
        next_due=None if rest.later is None else max(0.0, rest.later - rest.now),
        now=rest.now,
    )


def claim(
    tx: Tx,
    ready: Iterable[str],
    *,
    worker: str,
    lease_seconds: float,
    patience: timedelta = PATIENCE,
    all_or_none: bool = False,
) -> list[Task]:
    """Take those of these tasks that nobody else took meanwhile.

    The deadline counts from the first attempt: time in which nobody worked is not held against it.
    ``all_or_none``: if another process has begun on the lane of one of them, all of it fails
    with RowRefused; it saves two round trips for each task.
    """
    epoch, stamp = epoch_in(tx.dialect), now()
    at = {"ids": list(ready), "epoch": epoch, **clock_values(tx.dialect)}
    rows = tx.execute(_claimable(tx.dialect), at).all()
    if not rows:
        return []
    change = {
        "lease_epoch": epoch,
        "lease_until": rows[0].clock + lease_seconds,
        "due_at": rows[0].clock,
        "worker": worker,
        "started_at": stamp,
        **_NO_STEP,
    }
    first = stamp + patience
    found = [_claimed(row, change, first) for row in rows]
    change["first_deadline"] = first
    if all_or_none:
        tx.execute(_taking(tx.dialect), {**change, "taken_ids": [task.id for task in found]})
        return found
    return [task for task in found if _took(tx, task, change)]


def _claimed(row: Row[Any], change: dict[str, Any], first: datetime) -> Task:
    """As `_taking` leaves the row."""
    own = {"running_lane": row.lane, "lease_token": row.lease_token + 1}
    return load(Task, row, **change, **own, deadline=row.deadline if row.attempts else first)


def _took(tx: Tx, task: Task, change: dict[str, Any]) -> bool:
    """False, and nothing lost, if another task of the lane began since it was looked at."""
    try:
        with tx.connection.begin_nested():
            tx.execute(_taking(tx.dialect), {**change, "taken_ids": [task.id]})
    except IntegrityError:
        return False
    return True


def holds(tx: Tx, task: Task, *, lock: bool = False) -> bool:
    """True if the lease under which the task was claimed is still the one in force.

    With ``lock`` nobody can take it before the transaction ends. On MariaDB that is a
    change of the row: Galera compares what transactions change, and knows no others' locks.
    """
    if lock and tx.dialect == "mysql":
        return tx.execute(_FENCE, {**_held(task), "updated_at": now()}).rowcount == 1
    return tx.scalar(_LOCKED if lock else _HELD, _held(task)) is not None


def extend(tx: Tx, live: Collection[Task], lease_seconds: float) -> None:
    """The leases of these tasks last so long from now; lost ones stay lost."""
    until = read_clock(tx).now + lease_seconds
    for task in live:
        tx.execute(_FENCE, {**_held(task), "lease_until": until})


def record_step(tx: Tx, task: Task, step: str | None, since: object) -> None:
    """Show at which step the task is, for people."""
    tx.execute(_FENCE, {**_held(task), "step": step, "step_since": since})


def generations(tx: Tx, live: Collection[Task]) -> dict[tuple[str, int], int]:
    """The present generation of those of these tasks whose leases are in force, by ID and token."""
    mine = {(task.id, task.lease_token) for task in live}
    rows = tx.execute(_generations(tx.dialect), {"ids": [task.id for task in live]})
    found = {(row.id, row.lease_token): row.generation for row in rows}
    return {key: found[key] for key in mine & found.keys()}


def finish(tx: Tx, task: Task) -> bool:
    """The task is done; True if a new request came meanwhile and it stays, due now.

    Raises LeaseLost if the lease is no longer in force.
    """
    gone = tx.execute(_GONE, {**_held(task), "done_generation": task.generation}).rowcount
    if not gone or _others_wait(tx, task):
        tx.after_commit(doorbell.ring)
    if gone:
        return False
    _release(tx, task, {"due_at": read_clock(tx).now, "attempts": 0, "last_error": None})
    return True


def _others_wait(tx: Tx, task: Task) -> bool:
    """True if something waits, or may wait, for this one's end; else a look is saved after it.

    Where writers are parallel, what is queued at this moment is not seen here, and whoever is
    woken for it still sees this one.
    """
    return tx.dialect != "sqlite" or tx.scalar(_WAITING, {"of_lane": task.lane}) is not None


def give_back(tx: Tx, task: Task) -> None:
    """The task was interrupted: it stays, due now. Raises LeaseLost."""
    tx.after_commit(doorbell.ring)
    _release(tx, task, {"due_at": read_clock(tx).now})


def postpone(tx: Tx, task: Task, delay: float) -> None:
    """Nothing to do yet: due again after so many seconds, or now if a new request came.

    Raises LeaseLost if the lease is no longer in force.
    """
    clock = read_clock(tx)
    moved = tasks.c.generation != task.generation
    tx.after_commit(doorbell.ring)
    due = case((moved, clock.now), else_=clock.now + delay)
    _release(tx, task, {"due_at": due, "attempts": 0, "last_error": None})


def retry_later(tx: Tx, task: Task, error: str, delay: float) -> None:
    """It failed for now: due again after so many seconds, or now if a new request came.

    Raises LeaseLost if the lease is no longer in force.
    """
    clock = read_clock(tx)
    moved = tasks.c.generation != task.generation
    tx.after_commit(doorbell.ring)
    _release(
        tx,
        task,
        {
            "due_at": case((moved, clock.now), else_=clock.now + delay),
            "attempts": case((moved, 0), else_=task.attempts + 1),
            "last_error": error,
        },
    )


def _release(tx: Tx, task: Task, values: dict[str, Any]) -> None:
    free = {"running_lane": None, "lease_until": None, **_NO_STEP}
    if not tx.execute(_FENCE.values(**free, **values), _held(task)).rowcount:
        raise LeaseLost(f"task {task.kind} {task.resource_id} was taken by another worker")


def break_expired(tx: Tx) -> int:
    """Free the tasks whose lease ran out; returns how many.

    A row that somebody holds is left for later: whoever was paused in a transaction would
    have everybody wait until the database ends it.
    """
    clock = read_clock(tx)
    expired = select(tasks.c.id).where(_expired(literal(clock.now), literal(clock.epoch)))
    free = tx.execute(expired.with_for_update(skip_locked=True)).scalars().all()
    return _break(tx, tasks.c.id.in_(free)) if free else 0


def set_back(tx: Tx, queues: Collection[str], lease_seconds: float) -> None:
    """The clock was set back, or may have been: nothing here waits for times that are far off now.

    Whoever looks at a task early waits again; whoever is alive extends its lease.
    Other queues' workers see for themselves, and may know that it was not.
    """
    clock = read_clock(tx)
    latest = clock.now + lease_seconds
    ours = or_(tasks.c.queue.in_(sorted(queues)), tasks.c.queue.is_(None))
    tx.execute(update(tasks).where(ours, tasks.c.due_at > clock.now).values(due_at=clock.now))
    tx.execute(update(tasks).where(ours, tasks.c.lease_until > latest).values(lease_until=latest))


def break_leases(tx: Tx, workers: Collection[str]) -> int:
    """Free the tasks of workers that are known to be dead; returns how many."""
    return _break(tx, and_(tasks.c.worker.in_(list(workers)), tasks.c.running_lane.is_not(None)))


def _break(tx: Tx, which: ColumnElement[bool]) -> int:
    tx.after_commit(doorbell.ring)
    # The token moves on, so that whoever had the lease can't write any more.
    freed = {
        "running_lane": None,
        "lease_until": None,
        "lease_token": tasks.c.lease_token + 1,
    }
    return tx.execute(update(tasks).where(which).values(freed)).rowcount


def workers(tx: Tx) -> set[str]:
    """Those who hold a lease."""
    rows = tx.execute(select(tasks.c.worker).where(tasks.c.running_lane.is_not(None)).distinct())
    return {worker for worker in rows.scalars() if worker}


def alive(tx: Tx, kind: TaskKind) -> set[str]:
    """The resources of this kind that have a task."""
    return set(tx.execute(select(tasks.c.resource_id).where(tasks.c.kind == str(kind))).scalars())


def busy(tx: Tx) -> set[str]:
    """The resources and lanes of all tasks: what is worked on, or about to be."""
    found = tx.execute(select(tasks.c.resource_id, tasks.c.lane))
    return {item for row in found for item in row}


def every(tx: Tx) -> list[Task]:
    """All tasks, oldest first (``abaca task list``)."""
    return tx.all(Task, select(tasks).order_by(tasks.c.created_at, tasks.c.id))


def _due(now_: ColumnElement[Any], epoch: ColumnElement[Any]) -> ColumnElement[bool]:
    return or_(tasks.c.due_at <= now_, tasks.c.lease_epoch != epoch)


def _expired(now_: ColumnElement[Any], epoch: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(
        tasks.c.running_lane.is_not(None),
        or_(tasks.c.lease_until < now_, tasks.c.lease_epoch != epoch),
    )


@cache
def _outlook(dialect: str) -> Select[Any]:
    """IDs of due tasks whose lane is free, one per lane; beside each, or alone, the rest.

    That is the clock, when the next task that waits is due, and how many leases ran out.
    """
    now_: ColumnElement[Any] = bindparam("clock", type_=Float(53))
    if dialect == "postgresql":  # it reads the clock once, and has it at each place
        read = select(clock_in("postgresql").label("now")).cte("clock")
        now_ = select(read.c.now).scalar_subquery()
    ours = and_(
        or_(among(tasks.c.queue, "queues", dialect), tasks.c.queue.is_(None)),
        among(tasks.c.kind, "kinds", dialect),
    )
    busy = select(tasks.c.running_lane).where(tasks.c.running_lane.is_not(None))
    place = func.row_number().over(partition_by=tasks.c.lane, order_by=tasks.c.due_at)
    free = (
        select(tasks.c.id, tasks.c.due_at, place.label("place"))
        .where(ours, tasks.c.running_lane.is_(None), _due(now_, _EPOCH))
        .where(tasks.c.lane.not_in(busy))
        .subquery()
    )
    first = select(free.c.id, free.c.due_at).where(free.c.place == 1).order_by(free.c.due_at)
    ready = first.limit(bindparam("most", type_=Integer)).subquery()
    waits = and_(tasks.c.running_lane.is_(None), ~_due(now_, _EPOCH))
    later = select(func.min(tasks.c.due_at)).where(ours, waits).scalar_subquery()
    expired = select(func.count()).select_from(tasks).where(_expired(now_, _EPOCH))
    rest = select(
        now_.label("now"), later.label("later"), expired.scalar_subquery().label("expired")
    ).subquery()
    return (
        select(ready.c.id, rest.c.now, rest.c.later, rest.c.expired)
        .select_from(rest.outerjoin(ready, true()))
        .order_by(ready.c.due_at)
    )


@cache
def _claimable(dialect: str) -> Select[Any]:
    """Those of the tasks that are still free, with the clock."""
    clock = clock_in(dialect)
    return (
        select(tasks, clock.label("clock"))
        .where(
            among(tasks.c.id, "ids", dialect),
            tasks.c.running_lane.is_(None),
            _due(clock, _EPOCH),
        )
        .order_by(tasks.c.due_at)
        .with_for_update(skip_locked=True)
    )


@cache
def _generations(dialect: str) -> Select[Any]:
    return select(tasks.c.id, tasks.c.lease_token, tasks.c.generation).where(
        among(tasks.c.id, "ids", dialect), tasks.c.running_lane.is_not(None)
    )


@cache
def _taking(dialect: str) -> Update:
    """What becomes of rows that were found claimable, all in one: what differs is in the row."""
    fresh = bindparam("first_deadline", type_=tasks.c.deadline.type)
    return (
        update(tasks)
        .where(among(tasks.c.id, "taken_ids", dialect))
        .values(
            running_lane=tasks.c.lane,
            lease_token=tasks.c.lease_token + 1,
            deadline=case((tasks.c.attempts == 0, fresh), else_=tasks.c.deadline),
        )
    )


# Looked at all the time: made once, since making a statement costs as much as running it.
_EPOCH = bindparam("epoch", type_=String)
_MINE = and_(
    tasks.c.id == bindparam("held_id"),
    tasks.c.lease_token == bindparam("held_token"),
    tasks.c.running_lane.is_not(None),
)
_NO_STEP = {"step": None, "step_since": None}
_HELD = select(tasks.c.id).where(_MINE)
_LOCKED = _HELD.with_for_update()
_FENCE = update(tasks).where(_MINE)
_GONE = delete(tasks).where(_MINE, tasks.c.generation == bindparam("done_generation"))
_WAITING = select(tasks.c.id).where(tasks.c.lane == bindparam("of_lane")).limit(1)


def _held(task: Task) -> dict[str, object]:
    """The values of `_MINE`."""
    return {"held_id": task.id, "held_token": task.lease_token}
