"""All of it, in bounded time, in an order that a seed decides."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import islice

from abaca.errors import AbacaError
from abaca.torture.operations import OPERATIONS, Operation
from abaca.torture.report import Finding, Report
from abaca.torture.site import Setting, Site, Wrong
from abaca.torture.trial import Trials

SAY_SECONDS = 10.0
AT_A_TIME = 3
"""Points of an operation before it is the next one's turn: the undisturbed run takes as long."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What of it is done."""

    operation: str | None = None
    """``BACKEND/OPERATION``; None: all."""
    point: str | None = None
    """``NAME:SIDE[:N]``; None: all."""

    def takes(self, operation: Operation, setting: Setting) -> bool:
        """True if this is to be done."""
        return self.operation in {None, f"{setting.backend}/{operation.name}"}


@dataclass(kw_only=True)
class Faults:
    """Kills (or pauses) at fault points, operation by operation, as long as there is time."""

    report: Report
    make: Callable[[], AbstractContextManager[Site]]
    """A site with nothing on it: the first, and another one when something went wrong."""
    chance: random.Random
    choice: Choice = field(default_factory=Choice)
    fake: bool = True
    kind: str = "killed"
    _stack: ExitStack = field(default_factory=ExitStack)
    _trials: Trials | None = None
    _said: float = 0.0

    def run(self, seconds: float, *, at_most: int | None = None) -> int:
        """Until the time is over, or all is done; how many runs there were."""
        end = time.monotonic() + seconds
        runs = 0
        with self._stack:
            for operation, setting, point in self._jobs(end):
                self._one(operation, setting, point)
                runs += 1
                if time.monotonic() > end or runs == at_most:
                    break
        return runs

    def trials(self) -> Trials:
        """On the site that is in use."""
        if self._trials is None:
            self._trials = Trials(site=self._stack.enter_context(self.make()))
            self._trials.begin()
        return self._trials

    def _jobs(self, end: float) -> Iterator[tuple[Operation, Setting, str]]:
        """Every operation in turn, its next points each: so all are tried when time is short."""
        pairs = [
            (operation, setting)
            for setting in self.trials().site.settings
            for operation in OPERATIONS
            if setting.mode in operation.modes
            and (self.fake or not operation.fake)
            and self.choice.takes(operation, setting)
            and not (self.kind == "paused" and operation.asleep)
        ]
        self.chance.shuffle(pairs)
        waiting = [
            (operation, setting, self._points(operation, setting)) for operation, setting in pairs
        ]
        while waiting and time.monotonic() < end:
            for item in list(waiting):
                operation, setting, points = item
                some = list(islice(points, AT_A_TIME))
                yield from ((operation, setting, point) for point in some)
                if len(some) < AT_A_TIME:
                    waiting.remove(item)

    def _points(self, operation: Operation, setting: Setting) -> Iterator[str]:
        """The points of the undisturbed run, in any order; last the death of who asks."""
        if self.choice.point is not None:
            yield self.choice.point
            return
        try:
            found = list(self.trials().reference(operation, setting).points)
        except (AssertionError, AbacaError) as error:
            self._spoilt(error, f"{setting.backend}/{operation.name}, undisturbed")
            return
        self.report.done("undisturbed")
        self.chance.shuffle(found)
        if self.kind == "paused":
            found = [item for item in found if not _in_transaction(item)]
        elif not operation.asleep:
            found += ["request:before", "request:after"]
        yield from found

    def _one(self, operation: Operation, setting: Setting, point: str) -> None:
        where = f"{setting.backend}/{operation.name}, {self.kind} at {point}"
        try:
            if self._try(operation, setting, point):
                self.report.done(self.kind, point)
            else:
                self.report.missed += 1
        except (AssertionError, AbacaError) as error:
            self._spoilt(error, where)
        if time.monotonic() - self._said > SAY_SECONDS:
            self._said = time.monotonic()
            self.report.say(f"{self.report.summary}; {where}")

    def _try(self, operation: Operation, setting: Setting, point: str) -> bool:
        trials = self.trials()
        if point.startswith("request:"):
            trials.asker_killed(operation, setting, point.partition(":")[2])
            return True
        if self.kind == "paused":
            return trials.paused(operation, setting, point)
        return trials.killed(operation, setting, point)

    def _spoilt(self, error: Exception, where: str) -> None:
        """Go on with another site; what was learnt of undisturbed runs stays."""
        self.report.runs += 1
        self.report.wrong(finding(error, where))
        known = self._trials.references if self._trials else {}
        self._stack.close()
        self._trials = None
        self.trials().references.update(known)


def finding(error: Exception, where: str) -> Finding:
    """What went wrong; whatever was not foreseen counts as lost."""
    if isinstance(error, Wrong):
        return Finding(kind=error.kind, where=where, text=error.text)
    return Finding(kind="lost", where=where, text=f"{type(error).__name__}: {error}")


def _in_transaction(point: str) -> bool:
    """Whoever is paused there holds locks until it wakes, or the database ends its transaction."""
    return point.startswith("commit.") and ":before" in point
