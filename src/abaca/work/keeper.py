"""Keeps the leases of this process alive, and watches for what makes work pointless."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta

import structlog

from abaca.db.database import Database
from abaca.db.tables import now
from abaca.errors import DatabaseUnavailable, LeaseLost, WrongSchema
from abaca.model.task import TaskKind
from abaca.steps import commit
from abaca.work import queue
from abaca.work.handler import Handler
from abaca.work.lease import Lease

log = structlog.get_logger()
WATCH_SECONDS = 0.25
EXTEND, SHOW = map(commit, ("tasks.extend", "tasks.show"))
SHOW_AFTER = timedelta(seconds=1)


class Keeper:
    """Holds the live leases; `watch` is the body of its thread."""

    def __init__(
        self, db: Database, handlers: Mapping[TaskKind, Handler], lease_seconds: float
    ) -> None:
        self._db = db
        self._handlers = handlers
        self._lease_seconds = lease_seconds
        # By lease, not by task: a lease that was lost may be beside its successor.
        self._live: set[Lease] = set()
        self._extended = time.monotonic()
        lock = threading.Lock()
        # Each wakes who waits for it: at every change all of them would be woken for nothing.
        self._begun, self._ended = threading.Condition(lock), threading.Condition(lock)
        self._stopping = threading.Event()

    def add(self, lease: Lease) -> None:
        """From now on it is kept."""
        with self._begun:
            if not self._live:
                self._extended = time.monotonic()
                self._begun.notify_all()
            self._live.add(lease)

    def remove(self, lease: Lease) -> int:
        """Its work ended; how many were worked on until now, with it."""
        with self._ended:
            count = len(self._live)
            self._live.discard(lease)
            if not self._live:
                self._ended.notify_all()
        return count

    def count(self) -> int:
        """How many tasks are being worked on."""
        return len(self._live)

    def wait_empty(self, seconds: float) -> bool:
        """True once nothing is being worked on; False after so many seconds."""
        with self._ended:
            return self._ended.wait_for(lambda: not self._live, seconds)

    def stop(self) -> None:
        """`watch` returns."""
        with self._begun:
            self._stopping.set()
            self._begun.notify_all()

    def watch(self) -> None:
        """Until stopped: look after the live leases, some times a second."""
        while True:
            with self._begun:
                self._begun.wait_for(lambda: self._live or self._stopping.is_set())
            if self._stopping.wait(WATCH_SECONDS):
                return
            with self._begun:
                live = list(self._live)
            if live:
                self._look_after(live)

    def _look_after(self, live: list[Lease]) -> None:
        try:
            self._notice(live)
            if time.monotonic() - self._extended > self._lease_seconds / 3:
                with self._db.write(EXTEND) as tx:
                    queue.extend(tx, [lease.task for lease in live], self._lease_seconds)
                self._extended = time.monotonic()
            self._show(live)
        except (DatabaseUnavailable, WrongSchema) as error:
            log.warning("leases_not_looked_after", error=str(error))
        except Exception:
            log.exception("leases_not_looked_after")

    def _notice(self, live: list[Lease]) -> None:
        """Stop work whose lease was lost, or that a new request made pointless."""
        moment = time.monotonic()
        with self._db.read() as tx:
            present = queue.generations(tx, [lease.task for lease in live])
            for lease in live:
                task = lease.task
                generation = present.get((task.id, task.lease_token))
                if generation is None:
                    lease.interrupt(LeaseLost)
                    continue
                lease.confirm(moment)
                if generation != lease.noticed:
                    lease.noticed = generation
                    if self._handlers[task.kind].superseded(tx, task):
                        lease.superseded()

    def _show(self, live: list[Lease]) -> None:
        """Record the steps that take long."""
        late = now() - SHOW_AFTER
        steps = [(lease, *lease.step) for lease in live]
        long = [
            (lease, step, since)
            for lease, step, since in steps
            if since is not None and since < late and lease.shown != since
        ]
        if not long:
            return
        with self._db.write(SHOW) as tx:
            for lease, step, since in long:
                queue.record_step(tx, lease.task, step, since)
                lease.shown = since
