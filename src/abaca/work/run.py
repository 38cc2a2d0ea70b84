"""One task, from its claim to its finish: what is retried, what is final."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
import tenacity

from abaca.db.database import Tx
from abaca.db.tables import now
from abaca.errors import AbacaError, DatabaseUnavailable, LeaseLost, Superseded
from abaca.steps import commit, observed
from abaca.work import queue
from abaca.work.handler import Handler
from abaca.work.lease import Lease

log = structlog.get_logger()
SETTLE = commit("tasks.settle")


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
    context = structlog.contextvars.bound_contextvars(
        kind=str(task.kind), resource=task.resource_id, request_id=task.request_id
    )
    with context, observed(lease):
        try:
            _attempt(lease, handler, options)
        except LeaseLost:
            log.warning("task_lost")
        except Exception:
            # The lease runs out, and the task is taken again.
            log.exception("task_outcome_not_written")


def _attempt(lease: Lease, handler: Handler, options: RetryOptions) -> None:
    try:
        handler.run(lease)
        if not lease.finished:
            _settle(lease, options, lambda tx: queue.finish(tx, lease.task))
    except Superseded:
        log.info("task_superseded", step=lease.step[0])
        _settle(lease, options, lambda tx: queue.give_back(tx, lease.task))
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - the border of the queue: every failure is recorded
        _fail(lease, handler, options, error)


def _fail(lease: Lease, handler: Handler, options: RetryOptions, error: Exception) -> None:
    if not isinstance(error, AbacaError):
        log.error("task_unexpected_error", step=lease.step[0], exc_info=error)
    if _may_retry(lease, options, error):
        _later(lease, options, error)
        return
    log.error("task_failed", step=lease.step[0], error=str(error))
    try:
        lease.check()
        handler.failed(lease, error)
        if not lease.finished:
            _settle(lease, options, lambda tx: queue.finish(tx, lease.task))
    except Superseded:
        _settle(lease, options, lambda tx: queue.give_back(tx, lease.task))
    except LeaseLost:
        raise
    except Exception as second:
        log.exception("task_failure_not_handled")
        _later(lease, options, second)


def _may_retry(lease: Lease, options: RetryOptions, error: Exception) -> bool:
    if isinstance(error, AbacaError):
        return error.retriable and now() < lease.task.deadline
    return lease.task.attempts + 1 < options.unexpected


def _later(lease: Lease, options: RetryOptions, error: Exception) -> None:
    delay = options.delay(lease.task.attempts + 1)
    step = lease.step[0]
    text = f"{f'{step}: ' if step else ''}{type(error).__name__}: {error}"
    log.warning("task_retried", delay=round(delay, 1), error=text)
    _settle(lease, options, lambda tx: queue.retry_later(tx, lease.task, text, delay))


def _settle(lease: Lease, options: RetryOptions, write: Callable[[Tx], object]) -> None:
    """Write the outcome, patiently: it is lost otherwise, and the work repeated."""
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(DatabaseUnavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
        stop=tenacity.stop_after_delay(options.settle),
        reraise=True,
    ):
        with attempt, lease.db.write(SETTLE) as tx:
            write(tx)
            lease.finished = True
