"""What a handler holds while it works: the right to write, until it is lost."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from abaca.db.database import Database, Tx
from abaca.db.tables import now
from abaca.errors import DatabaseUnavailable, LeaseLost, Superseded, WorkInterrupted
from abaca.model.task import Task
from abaca.steps import commit
from abaca.work import queue

RECORD, POSTPONE = map(commit, ("tasks.record", "tasks.postpone"))


class Lease:
    """The lease on one task; also told at every step (`abaca.steps.Observer`).

    ``seconds``: how long it lasts unless it is extended. Whoever has heard nothing of it for
    that long looks before the next step: the process may have slept, and been overtaken.
    """

    def __init__(self, db: Database, task: Task, *, seconds: float = math.inf) -> None:
        self.db = db
        self.task = task
        self._seconds = seconds
        self._confirmed = time.monotonic()
        self._take_backs: list[Callable[[], None]] = []
        self.finished = False
        self.postponed = False
        self.noticed = task.generation
        """The latest generation that the keeper looked at."""
        self.shown: datetime | None = None
        """Since when the step is that people were shown last."""
        self._lock = threading.Lock()
        self._step: str | None = None
        self._since: datetime | None = None
        self._interruption: type[WorkInterrupted] | None = None
        self._seen_through = False

    @property
    def resource_id(self) -> str:
        """What the work is about."""
        return self.task.resource_id

    def at(self, name: str) -> None:
        """A step begins: remember it, or stop here if the lease was lost or superseded."""
        self.check()
        with self._lock:
            self._step, self._since = name, now()

    def check(self) -> None:
        """Raise LeaseLost or Superseded if the work must stop."""
        if self._interruption is None and time.monotonic() - self._confirmed > self._seconds:
            self._ask()
        if self._interruption is not None:
            raise self._interruption(f"task {self.task.kind} {self.resource_id}")

    def _ask(self) -> None:
        moment = time.monotonic()
        with self.db.read() as tx:
            in_force = queue.holds(tx, self.task)
        if in_force:
            self.confirm(moment)
        else:
            self.interrupt(LeaseLost)

    def confirm(self, moment: float) -> None:
        """It was in force at that time (of ``time.monotonic``)."""
        self._confirmed = moment

    def if_lost(self, take_back: Callable[[], None]) -> None:
        """Have this called if the lease turns out to be lost, before what was called for earlier.

        A step that was under way when the lease ended is finished, by whom another worker has
        overtaken: what that worker removed may then be there again, and nobody knows of it.
        """
        self._take_backs.append(take_back)

    def take_backs(self) -> Iterator[Callable[[], None]]:
        """What `if_lost` was given, the latest first."""
        return reversed(self._take_backs)

    @property
    def lost(self) -> bool:
        """True once nothing may be written any more."""
        return self._interruption is LeaseLost

    @property
    def step(self) -> tuple[str | None, datetime | None]:
        """The step it is at, and since when."""
        with self._lock:
            return self._step, self._since

    def see_through(self) -> None:
        """From here only a lost lease stops the work: newer requests want the same.

        Whoever asks for a removal again and again must not hold it up.
        """
        self._seen_through = True

    def interrupt(self, reason: type[WorkInterrupted]) -> None:
        """Stop the work at its next step; what is lost stays lost."""
        if reason is LeaseLost or not (self.lost or self._seen_through):
            self._interruption = reason

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A write transaction that commits only while the lease is in force (fencing).

        The lock on the task's row comes last: requests lock the resource first
        and the task after it, and so must we.
        """
        with self.db.write(RECORD) as tx:
            if not queue.holds(tx, self.task):
                raise LeaseLost(f"task {self.task.kind} {self.resource_id}")
            yield tx
            if not self.finished and not self.db.is_sqlite:
                self._hold(tx)

    def _hold(self, tx: Tx) -> None:
        if not queue.holds(tx, self.task, lock=True):
            raise LeaseLost(f"task {self.task.kind} {self.resource_id}")

    @contextmanager
    def conclude(self) -> Iterator[Tx]:
        """The last write, and the end of the task, in one transaction.

        The end is the fence: it is not one of a task that somebody else has.
        """
        try:
            with self.db.write(RECORD) as tx:
                yield tx
                self.finished = True
                queue.finish(tx, self.task)
        except Exception as error:
            self.finished = False
            if not isinstance(error, WorkInterrupted | DatabaseUnavailable):
                self._check_held()
            raise
        except BaseException:
            self.finished = False
            raise

    def _check_held(self) -> None:
        """LeaseLost if it was lost: then that, and nothing else, is what went wrong."""
        with self.db.read() as tx:
            if not queue.holds(tx, self.task):
                raise LeaseLost(f"task {self.task.kind} {self.resource_id}")

    def postpone(self, seconds: float) -> None:
        """The end of the work for now: look again after so many seconds."""
        with self.db.write(POSTPONE) as tx:
            queue.postpone(tx, self.task, seconds)
        self.finished = self.postponed = True

    def superseded(self) -> None:
        """Have the work stop at its next step, to start over from the row."""
        self.interrupt(Superseded)
