"""One task, from its claim to its finish: what is retried, what is final."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

import structlog
import tenacity

from abaca.db.database import Tx
from abaca.db.tables import now
from abaca.errors import (
    AbacaError,
    DatabaseFault,
    DatabaseUnavailable,
    LeaseLost,
    Superseded,
    WrongSchema,
)
from abaca.model.task import Task
from abaca.observe import metrics
from abaca.steps import commit, observed
from abaca.work import queue
from abaca.work.handler import Handler
from abaca.work.lease import Lease

log = structlog.get_logger()
SETTLE = commit("tasks.settle")


class Outcome(StrEnum):
    """How an attempt at a task ended."""

    DONE = "done"
    POSTPONED = "postponed"
    """Nothing to do yet."""
    SUPERSEDED = "superseded"
    """A new request made going on pointless; the task starts over."""
    RETRIED = "retried"
    FAILED = "failed"
    """For good: what it is about says so, and its project is told."""
    LOST = "lost"
    """Another worker has taken it over."""
    NOT_WRITTEN = "not_written"


ENDED = frozenset({Outcome.DONE, Outcome.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOptions:
    """How failed work is retried. Seconds, unless it says otherwise."""

    first: float = 0.5
    longest: float = 60.0
    jitter: float = 0.5
    unexpected: int = 5
    """How often an error that nobody foresaw is tried, before it counts as final."""
    settle: float = 30.0
    """How long the outcome is tried to be written while the database does not answer."""

    def delay(self, attempts: int) -> float:
        """How long to wait after the attempt of this number (from 1)."""
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = attempts
        wait = tenacity.wait_exponential(multiplier=self.first, max=self.longest)
        return (wait + tenacity.wait_random(0, self.jitter))(state)


def run_task(lease: Lease, handler: Handler, options: RetryOptions) -> None:
    """Do the work and write down how it ended. Raises nothing."""
    task = lease.task
    who = {"request_id": task.request_id}
    if task.global_request_id is not None:
        who["global_request_id"] = task.global_request_id
    context = structlog.contextvars.bound_contextvars(
        kind=str(task.kind), resource=task.resource_id, **who
    )
    started = time.monotonic()
    with context:
        try:
            with observed(lease):
                outcome = _attempt(lease, handler, options)
        except LeaseLost:
            log.warning("task_lost")
            outcome = Outcome.LOST
            _take_back(lease, options)
        except Exception:
            # The lease runs out, and the task is taken again.
            log.exception("task_outcome_not_written")
            outcome = Outcome.NOT_WRITTEN
        _tell(task, outcome, metrics.since(started))


def _take_back(lease: Lease, options: RetryOptions) -> None:
    """Nothing is left of what was made after another worker had gone on; patiently."""
    for take_back in lease.take_backs():
        try:
            for attempt in _patiently(options, AbacaError):
                with attempt:
                    take_back()
        except Exception:
            # The audit names it.
            log.exception("not_taken_back")


def _tell(task: Task, outcome: Outcome, took: float) -> None:
    metrics.attempt(str(task.kind), str(outcome), took)
    if outcome in ENDED:
        age = (now() - task.created_at).total_seconds()
        metrics.task_seconds.labels(str(task.kind)).observe(max(0.0, age))
    log.info(
        "task_attempt_ended",
        outcome=str(outcome),
        attempt=task.attempts + 1,
        milliseconds=round(took * 1000, 1),
    )


def _attempt(lease: Lease, handler: Handler, options: RetryOptions) -> Outcome:
    try:
        handler.run(lease)
        if not lease.finished:
            _settle(lease, options, lambda tx: queue.finish(tx, lease.task))
    except Superseded:
        log.info("task_superseded", step=lease.step[0])
        _settle(lease, options, lambda tx: queue.give_back(tx, lease.task))
        return Outcome.SUPERSEDED
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - the border of the queue: every failure is recorded
        return _fail(lease, handler, options, error)
    return Outcome.POSTPONED if lease.postponed else Outcome.DONE


def _fail(lease: Lease, handler: Handler, options: RetryOptions, error: Exception) -> Outcome:
    if not _foreseen(error):
        log.error("task_unexpected_error", step=lease.step[0], exc_info=error)
    if _may_retry(lease, options, error):
        _later(lease, options, error)
        return Outcome.RETRIED
    log.error("task_failed", step=lease.step[0], error=str(error))
    try:
        lease.check()
        handler.failed(lease, error)
        if not lease.finished:
            _settle(lease, options, lambda tx: queue.finish(tx, lease.task))
    except Superseded:
        _settle(lease, options, lambda tx: queue.give_back(tx, lease.task))
        return Outcome.SUPERSEDED
    except LeaseLost:
        raise
    except Exception as second:
        log.exception("task_failure_not_handled")
        _later(lease, options, second)
        return Outcome.RETRIED
    return Outcome.FAILED


def _may_retry(lease: Lease, options: RetryOptions, error: Exception) -> bool:
    if _foreseen(error):
        return error.retriable and now() < lease.task.deadline
    return lease.task.attempts + 1 < options.unexpected


def _foreseen(error: Exception) -> TypeGuard[AbacaError]:
    if isinstance(error, DatabaseFault):
        return isinstance(error, WrongSchema)
    return isinstance(error, AbacaError)


def _later(lease: Lease, options: RetryOptions, error: Exception) -> None:
    delay = options.delay(lease.task.attempts + 1)
    step = lease.step[0]
    text = f"{f'{step}: ' if step else ''}{type(error).__name__}: {error}"
    log.warning("task_retried", delay=round(delay, 1), error=text)
    _settle(lease, options, lambda tx: queue.retry_later(tx, lease.task, text, delay))


def _settle(lease: Lease, options: RetryOptions, write: Callable[[Tx], object]) -> None:
    """Write the outcome, patiently: it is lost otherwise, and the work repeated."""
    for attempt in _patiently(options, DatabaseUnavailable):
        with attempt, lease.db.write(SETTLE) as tx:
            write(tx)
            lease.finished = True


def _patiently(options: RetryOptions, kind: type[AbacaError]) -> tenacity.Retrying:
    """Tries again after retriable errors of that kind, for a while."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, kind) and e.retriable),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
        stop=tenacity.stop_after_delay(options.settle),
        reraise=True,
    )
