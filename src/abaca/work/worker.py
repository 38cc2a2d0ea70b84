"""The workers of one process: claim what is due, work on it, keep the leases."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from queue import SimpleQueue

import structlog

from abaca.db.database import Database
from abaca.errors import DatabaseUnavailable, RowRefused, TransactionRefused, WrongSchema
from abaca.model.task import Task, TaskKind
from abaca.observe import metrics
from abaca.steps import commit
from abaca.work import queue
from abaca.work.doorbell import doorbell
from abaca.work.handler import Handler
from abaca.work.identity import dead_workers
from abaca.work.keeper import Keeper
from abaca.work.lease import Lease
from abaca.work.notices import Listener
from abaca.work.run import RetryOptions, run_task

log = structlog.get_logger()
CONTENDED_SECONDS = 0.05
"""Sleep when others were faster with what was ready."""
SET_BACK_SECONDS = 5.0
"""A clock that loses less in one go has done nothing worse than drift."""
BURY, EXPIRE, CLAIM = map(commit, ("tasks.bury", "tasks.expire", "tasks.claim"))
SET_BACK = commit("tasks.set_back")
GATHER_SECONDS = 0.02
"""Between two claims while several are worked on: what comes meanwhile is claimed together."""
EAGER_SECONDS = 0.05
"""Between the first looks after some work; the pauses grow from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """How a process works on tasks. Times in seconds."""

    threads: int = 16
    lease_seconds: float = 30.0
    deadline_seconds: float = 1800.0
    """How long after its first attempt a task is retried."""
    poll_seconds: float = 1.0
    """How often tasks queued by other processes are looked for, at the least."""
    stop_seconds: float = 10.0
    """How long stopping waits for work that is under way; then it is left to the next start."""
    retry: RetryOptions = field(default_factory=RetryOptions)


class WorkerPool:
    """Works on the tasks of some queues until it is stopped."""

    def __init__(
        self,
        db: Database,
        *,
        worker: str,
        queues: Collection[str],
        handlers: Mapping[TaskKind, Handler],
        options: WorkOptions,
    ) -> None:
        self._db = db
        self._worker = worker
        self._queues = frozenset(queues)
        self._handlers = handlers
        self._options = options
        self._keeper = Keeper(db, handlers, options.lease_seconds)
        self._listener = Listener(db, self._queues, doorbell)
        self._inbox: SimpleQueue[Lease | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._pause = EAGER_SECONDS
        self._claimed = 0.0
        self._clock: tuple[float, float] | None = None
        """The clock of leases, and this process's own, at the last look that was acted upon."""
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Free what dead workers of this host held, and begin."""
        self.bury()
        self._run("abaca-keeper", self._keeper.watch)
        for number in range(self._options.threads):
            self._run(f"abaca-worker-{number}", self._work)
        self._run("abaca-claims", self._dispatch)
        self._listener.start()

    def stop(self) -> bool:
        """Take nothing more, wait a bounded time; False if work was left under way."""
        if not self._threads:  # what came before its start has failed
            return True
        self._stopping.set()
        doorbell.ring()
        self._threads[-1].join(self._options.stop_seconds)
        done = self._keeper.wait_empty(self._options.stop_seconds)
        for _ in range(self._options.threads):
            self._inbox.put(None)
        self._keeper.stop()
        self._listener.stop()
        if done:
            for thread in self._threads:
                thread.join(self._options.stop_seconds)
        else:
            log.warning("work_left_under_way", tasks=self._keeper.count())
        return done

    def bury(self) -> int:
        """Break the leases of processes of this host that are gone; how many."""
        with self._db.read() as tx:
            dead = dead_workers(queue.workers(tx))
        if not dead:
            return 0
        with self._db.write(BURY) as tx:
            broken = queue.break_leases(tx, dead)
        metrics.lease_takeovers.labels("worker_gone").inc(broken)
        log.info("leases_of_dead_workers_broken", workers=dead, tasks=broken)
        return broken

    def _run(self, name: str, body: object) -> None:
        thread = threading.Thread(target=body, name=name, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _dispatch(self) -> None:
        """Hand due tasks to idle threads; sleep when there is none of either."""
        while not self._stopping.is_set():
            seen = doorbell.rings
            sleep: float | None = self._options.poll_seconds
            try:
                sleep = self._hand_out()
            except TransactionRefused:
                sleep = CONTENDED_SECONDS
            except (DatabaseUnavailable, WrongSchema) as error:
                log.warning("tasks_not_claimed", error=str(error))
            except Exception:
                log.exception("tasks_not_claimed")
            if sleep is not None and not self._stopping.is_set():
                doorbell.wait(seen, sleep)
            self._gather()

    def _gather(self) -> None:
        """Wait a little if many come at a time: a claim for each would be most of the work."""
        pause = self._claimed + GATHER_SECONDS - time.monotonic()
        # One alone may be what the next of its lane waits for.
        if pause > 0 and self._keeper.count() > 1:
            self._stopping.wait(pause)

    def _hand_out(self) -> float | None:
        """Claim for the idle threads; how long to sleep then, or None to look again at once."""
        idle = self._options.threads - self._keeper.count()
        if idle <= 0:
            return self._options.poll_seconds
        with self._db.glance() as tx:
            outlook = queue.look(tx, self._queues, self._handlers.keys(), idle)
        clock = (outlook.now, time.monotonic())
        if self._was_set_back(*clock):
            with self._db.write(SET_BACK) as tx:
                queue.set_back(tx, self._queues, self._options.lease_seconds)
            self._clock = clock
            return None
        self._clock = clock
        broken = self._break_expired() if outlook.expired else 0
        taken = self.claim(outlook.ready) if outlook.ready else []
        for task in taken:
            lease = Lease(self._db, task, seconds=self._options.lease_seconds)
            self._keeper.add(lease)
            self._inbox.put(lease)
        if broken or taken:
            self._pause = EAGER_SECONDS
            self._claimed = time.monotonic()
        if broken or (taken and len(outlook.ready) == idle):
            return None
        if outlook.ready and not taken:
            return CONTENDED_SECONDS
        self._pause = min(self._pause * 1.5, self._options.poll_seconds)
        return self._pause if outlook.next_due is None else min(outlook.next_due, self._pause)

    def _break_expired(self) -> int:
        with self._db.write(EXPIRE) as tx:
            broken = queue.break_expired(tx)
        if broken:
            metrics.lease_takeovers.labels("expired").inc(broken)
            log.warning("leases_expired", tasks=broken)
        return broken

    def _was_set_back(self, now: float, ours: float) -> bool:
        """True if the clock of leases went less far than ours since the last look, or at the first.

        Before that it may have been.
        """
        last = self._clock
        return last is None or now - last[0] < ours - last[1] - SET_BACK_SECONDS

    def claim(self, ready: Collection[str]) -> list[Task]:
        """Take all of these tasks, or else those that no other process was faster with."""
        try:
            return self._take(ready, all_or_none=True)
        except RowRefused:
            return self._take(ready, all_or_none=False)

    def _take(self, ready: Collection[str], *, all_or_none: bool) -> list[Task]:
        with self._db.write(CLAIM) as tx:
            return queue.claim(
                tx,
                ready,
                worker=self._worker,
                lease_seconds=self._options.lease_seconds,
                patience=timedelta(seconds=self._options.deadline_seconds),
                all_or_none=all_or_none,
            )

    def _work(self) -> None:
        while (lease := self._inbox.get()) is not None:
            try:
                run_task(lease, self._handlers[lease.task.kind], self._options.retry)
            finally:
                # Counted as it goes: whoever saw no thread idle before this sleeps until it rings.
                if self._keeper.remove(lease) >= self._options.threads:
                    doorbell.ring()
