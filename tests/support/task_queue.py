"""A task queue with handlers that tests script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy import update

from abaca.db.database import Database, Tx
from abaca.db.tables import tasks
from abaca.model.task import Task, TaskKind
from abaca.work import queue
from abaca.work.identity import worker_name
from abaca.work.lease import Lease
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkerPool, WorkOptions

HERE = "node1@b1"
FAST = WorkOptions(
    threads=4,
    lease_seconds=30,
    poll_seconds=0.05,
    stop_seconds=60,
    retry=RetryOptions(first=0.01, longest=0.05, jitter=0.005, unexpected=3),
)


@dataclass
class Script:
    """A handler that does what it is told."""

    body: Callable[[Lease], None] = lambda _lease: None
    pointless: Callable[[Task], bool] = lambda _task: False
    on_failure: Callable[[Lease, Exception], None] = lambda _lease, _error: None
    runs: list[Task] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def run(self, lease: Lease) -> None:
        """Count, and do it."""
        self.runs.append(lease.task)
        self.body(lease)

    def superseded(self, _tx: Tx, task: Task) -> bool:
        """As told."""
        return self.pointless(task)

    def failed(self, lease: Lease, error: Exception) -> None:
        """Count."""
        self.failures.append(error)
        self.on_failure(lease, error)


class Queue:
    """The queue of one database, and the pools that work on it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.pools: list[WorkerPool] = []

    def put(
        self, resource: str, *, lane: str | None = None, delay: float = 0.0, to: str = HERE
    ) -> None:
        """Have a resource looked at."""
        with self.db.write() as tx:
            queue.enqueue(
                tx,
                TaskKind.SHARE,
                resource,
                queue=to,
                lane=lane or resource,
                project_id="p1",
                request_id="req-1",
                delay=delay,
            )

    def claim(
        self, limit: int = 10, *, worker: str = "w", lease_seconds: float = 30.0
    ) -> list[Task]:
        """Take what is ready."""
        with self.db.read() as tx:
            ready = queue.look(tx, [HERE], list(TaskKind), limit).ready
        with self.db.write() as tx:
            return queue.claim(tx, ready, worker=worker, lease_seconds=lease_seconds)

    def every(self) -> list[Task]:
        """All tasks."""
        with self.db.read() as tx:
            return queue.every(tx)

    def set(self, resource: str, **values: object) -> None:
        """Change a task's row behind everybody's back."""
        with self.db.write() as tx:
            tx.execute(update(tasks).where(tasks.c.resource_id == resource).values(values))

    def work(
        self, script: Script, *, options: WorkOptions = FAST, worker: str | None = None
    ) -> WorkerPool:
        """Start a pool."""
        pool = self.idle(script, options=options, worker=worker)
        pool.start()
        self.pools.append(pool)
        return pool

    def idle(
        self,
        script: Script | None = None,
        *,
        options: WorkOptions = FAST,
        worker: str | None = None,
    ) -> WorkerPool:
        """A pool that nobody starts."""
        return WorkerPool(
            self.db,
            worker=worker or worker_name("node1"),
            queues=[HERE],
            handlers={TaskKind.SHARE: script or Script()},
            options=replace(options),
        )

    def stop(self) -> None:
        """Stop every pool."""
        for pool in self.pools:
            pool.stop()

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Return once the condition is true; AssertionError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not so after {seconds} s: {self.every()}"
            time.sleep(0.005)

    def until_empty(self, seconds: float = 60.0) -> None:
        """Return once no task is left."""
        self.until(lambda: not self.every(), seconds)


class Gate:
    """Lets a handler wait until the test says go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        """Wait for the test."""
        self.reached.set()
        assert self.open.wait(60), "nobody opened the gate"
