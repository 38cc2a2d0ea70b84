"""A share manager that goes on by one step at a time, when it is told to.

What it runs is the real thing: tasks of the queue, their leases, their handlers.
Only when it runs is the test's decision.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from abaca.db.database import Database
from abaca.errors import LeaseLost
from abaca.manager.backend import Backend
from abaca.manager.share import ShareHandler
from abaca.manager.share_server import ServerHandler
from abaca.model.task import Task, TaskKind
from abaca.work import queue
from abaca.work.handler import Handler
from abaca.work.lease import Lease
from abaca.work.run import RetryOptions, run_task

RETRY = RetryOptions(first=0.001, longest=0.01, jitter=0.001)
LEASE_SECONDS = 600.0
STEP_SECONDS = 30


class _Lease(Lease):
    """Waits at every step."""

    def __init__(self, db: Database, task: Task, pause: Callable[[], None]) -> None:
        super().__init__(db, task)
        self._pause = pause

    def at(self, name: str) -> None:
        """A step begins, when it is told to; it learns then what was asked meanwhile."""
        self._pause()
        super().at(name)


class Work:
    """A task under way, which waits before its next step."""

    def __init__(self, db: Database, task: Task, handler: Handler) -> None:
        self._db, self._handler = db, handler
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self._lease = _Lease(db, task, self._pause)
        self.ended = False
        threading.Thread(target=self._run, daemon=True).start()

    def step(self) -> None:
        """Go on up to the next step, or the end."""
        self._notice()
        self._go.release()
        assert self._waits.acquire(timeout=STEP_SECONDS), f"stuck at {self._lease.step}"

    def _run(self) -> None:
        self._go.acquire()
        try:
            run_task(self._lease, self._handler, RETRY)
        finally:
            self.ended = True
            self._waits.release()

    def _pause(self) -> None:
        self._waits.release()
        self._go.acquire()

    def _notice(self) -> None:
        """What the keeper of leases does: a new request may make the work pointless."""
        task, lease = self._lease.task, self._lease
        with self._db.read() as tx:
            generation = queue.generations(tx, [task]).get((task.id, task.lease_token))
            if generation is None:
                lease.interrupt(LeaseLost)
            elif generation != lease.noticed:
                lease.noticed = generation
                if self._handler.superseded(tx, task):
                    lease.superseded()


class SteppedManager:
    """Works on a backend's shares and share servers, on a few at a time."""

    def __init__(self, db: Database, backend: Backend, *, at_once: int) -> None:
        self._db, self._at_once = db, at_once
        by_host = {backend.host: backend}
        self._queues = list(by_host)
        self._handlers: Mapping[TaskKind, Handler] = {
            TaskKind.SHARE: ShareHandler(db=db, backends=by_host, idle_seconds=0),
            TaskKind.SHARE_SERVER: ServerHandler(db=db, backends=by_host, idle_seconds=0),
        }
        self._under_way: list[Work] = []

    def step(self, which: int) -> None:
        """One step of the work of that number: of a new task, if there are fewer and one waits."""
        if which >= len(self._under_way):
            self._claim()
        if self._under_way:
            work = self._under_way[which % len(self._under_way)]
            work.step()
            if work.ended:
                self._under_way.remove(work)

    def finish(self) -> None:
        """All that was begun and all that was asked is done."""
        deadline = time.monotonic() + STEP_SECONDS
        while self._under_way or self._waiting():
            assert time.monotonic() < deadline, self._waiting()
            self.step(0)
            if not self._under_way:
                time.sleep(0.001)  # a task may be due a moment later

    def _waiting(self) -> list[Task]:
        with self._db.read() as tx:
            return queue.every(tx)

    def _claim(self) -> None:
        if len(self._under_way) >= self._at_once:
            return
        with self._db.read() as tx:
            ready = queue.look(tx, self._queues, list(self._handlers), 1).ready
        with self._db.write() as tx:
            taken = queue.claim(tx, ready, worker="node1", lease_seconds=LEASE_SECONDS)
        self._under_way += [Work(self._db, task, self._handlers[task.kind]) for task in taken]
