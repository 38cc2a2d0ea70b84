"""One operation on one backend, disturbed at one point, and what came of it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from abaca.db.database import Database
from abaca.errors import AbacaError
from abaca.steps import FAULT_VARIABLE, SIGNAL_VARIABLE, TRACE_VARIABLE
from abaca.torture.nursery import alive, holds_locks, paused
from abaca.torture.operations import EVERYBODY, KEPT, Bench, Operation
from abaca.torture.site import DISARMED, Setting, Site, Wrong

PROJECT, KEEPER = "tenant", "keeper"
PROJECTS = [PROJECT, KEEPER, "heir"]
CENSUS_SECONDS = 30.0
"""For so long what was killed may take to be gone."""
STOP_TRIES = 50
SAME_POINT = 3
"""How many of the times that a run passes a point are tried."""
ONCE = ("pools.", "tasks.", "bin.", "transfers.", "messages.", "supervision.")
"""Of commits that come again and again, the first."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An operation that nobody disturbed."""

    points: tuple[str, ...]
    """The fault points that it reached, ``NAME:SIDE:N``, in order."""
    change: Counter[str]
    """What there was more (or less) after it than before."""


@dataclass(kw_only=True)
class Trials:
    """Tries operations on a site, one after the other. A site on which one failed is spoilt."""

    site: Site
    base: Counter[str] = field(default_factory=Counter)
    """What there is without any tenant but the keeper."""
    references: dict[tuple[str, str], Reference] = field(default_factory=dict)

    def begin(self) -> None:
        """A share with data on every backend, which must come through everything."""
        keeper = self.site.tenant(KEEPER)
        for setting in self.site.settings:
            network = keeper.network() if setting.mode.has_share_servers else None
            self.site.kept[setting.backend] = keeper.share(setting.backend, network=network)
        self.site.settle()
        for share in self.site.kept.values():
            keeper.allow(share, EVERYBODY)
        self.site.settle()
        for share in self.site.kept.values():
            found = keeper.read(share)
            if found is None:
                raise Wrong("lost", "a share of the keeper's")
            self.site.world.write(found, KEPT)
        self.base = self.site.census()

    def bench(self, setting: Setting) -> Bench:
        """A tenant who has nothing yet."""
        return Bench(site=self.site, setting=setting, tenant=self.site.tenant(PROJECT))

    def reference(self, operation: Operation, setting: Setting) -> Reference:
        """The operation undisturbed; tried once per backend."""
        key = operation.name, setting.backend
        if key not in self.references:
            trace = self.site.folder / "trace"
            trace.unlink(missing_ok=True)
            bench = self.bench(setting)
            self._ask(bench, operation, {TRACE_VARIABLE: str(trace)})
            self._rest(bench, operation)
            self._disarm()
            census = self.site.census()
            self._right(bench, operation, census)
            self.references[key] = Reference(
                points=tuple(_points(trace.read_text().splitlines())),
                change=_sum(census, self.base, sign=-1),
            )
            self._clear(bench, operation)
        return self.references[key]

    def killed(self, operation: Operation, setting: Setting, point: str) -> bool:
        """Killed at the point, restarted; False if the run did not pass there. `Wrong`."""
        expected = _sum(self.base, self.reference(operation, setting).change)
        bench = self.bench(setting)
        self._ask(bench, operation, {FAULT_VARIABLE: point})
        self._rest(bench, operation)
        reached = self.site.await_death()
        self._right(bench, operation, expected)
        if not reached:
            self._disarm()
        self._clear(bench, operation)
        return reached

    def paused(self, operation: Operation, setting: Setting, point: str) -> bool:
        """Two managers stop for longer than their leases; a third does the work; they wake.

        One stops there, the other one where it is. False if none of the two passed there.
        """
        expected = _sum(self.base, self.reference(operation, setting).change)
        bench = self.bench(setting)
        operation.before(bench)
        self._override(bench, operation)
        self.site.stop()
        self.site.lease_seconds = 1.0
        faults = {FAULT_VARIABLE: point, SIGNAL_VARIABLE: "SIGSTOP"}
        for _ in range(2):
            self.site.start()
        self.site.settle()
        if self.site.deaths:
            raise Wrong("stuck", f"a manager ended by itself\n{self.site.log()}")
        sleepers = list(self.site.processes)
        for process in sleepers:
            self.site.arm(process, faults)
        operation.ask(bench)
        reached = self._sleep(sleepers, bench, operation)
        try:
            if reached:
                self._right(bench, operation, expected)
        finally:
            for process in sleepers:
                os.kill(process, signal.SIGCONT)
        # The one that was stopped elsewhere may come to the point yet.
        self._disarm()
        time.sleep(0.6)  # they notice what became of their leases
        self._rest(bench, operation)
        self._right(bench, operation, expected)
        self.site.lease_seconds = 5.0
        self.site.restart()
        self.site.settle()
        self._clear(bench, operation)
        return reached

    def _sleep(self, sleepers: list[int], bench: Bench, operation: Operation) -> bool:
        """Until both sleep or all is done; then another manager goes on. True if they slept."""
        deadline = time.monotonic() + self.site.patience
        while not any(paused(item) for item in sleepers):
            if not self.site.unsettled() or time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        if not self._stopped(sleepers, [item for item in sleepers if not paused(item)]):
            return False
        self.site.start()
        self._rest(bench, operation)
        if not all(paused(item) for item in sleepers):
            raise Wrong("lost", "a manager that was paused went on by itself")
        return True

    def _stopped(self, sleepers: list[int], others: list[int]) -> bool:
        """The others are stopped as well; False if somebody always is in the middle of something.

        Until one goes on that has a transaction or an flock, nobody could do the work. (The one
        that stopped at the point may have either for something else that it does.)
        """
        for _ in range(STOP_TRIES):
            for process in others:
                os.kill(process, signal.SIGSTOP)
            deadline = time.monotonic() + self.site.patience
            while not all(map(paused, sleepers)) and time.monotonic() < deadline:
                time.sleep(0.005)
            if not self.site.locked() and not any(holds_locks(item) for item in sleepers):
                return True
            for process in others:
                os.kill(process, signal.SIGCONT)
            time.sleep(0.02)
        return False

    def disturbed(
        self, operation: Operation, setting: Setting, strike: Callable[[Callable[[], None]], None]
    ) -> None:
        """Asked while something happens; `Wrong` unless all ends as if nothing had."""
        expected = _sum(self.base, self.reference(operation, setting).change)
        bench = self.bench(setting)
        operation.before(bench)
        self.site.settle()
        strike(lambda: operation.ask(bench))
        self._rest(bench, operation)
        self._mended()
        self._right(bench, operation, expected)
        self._clear(bench, operation)

    def _mended(self) -> None:
        """Wait until the keeper's shares are served again."""
        deadline = time.monotonic() + self.site.patience
        while True:
            try:
                self.keeps()
            except (AssertionError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def asker_killed(self, operation: Operation, setting: Setting, side: str) -> None:
        """Who asks dies before the first commit or after the last.

        Nothing was asked, or all of it is done.
        """
        expected = _sum(self.base, self.reference(operation, setting).change)
        bench = self.bench(setting)
        operation.before(bench)
        self.site.settle()
        if operation.overrides:
            self._override(bench, operation)
            self.site.restart()
            self.site.settle()
        before = self.site.census()
        process = os.fork()
        if process == 0:
            _die_asking(bench, operation, side)
        os.waitpid(process, 0)
        self._rest(bench, operation)
        self.same(before if side == "before" else expected)
        self._clear(bench, operation)

    def _ask(self, bench: Bench, operation: Operation, faults: dict[str, str]) -> None:
        """Have what it needs, arm the manager, ask."""
        operation.before(bench)
        self.site.settle()
        self._override(bench, operation)
        if operation.asleep:
            self.site.stop()
            operation.ask(bench)
            self.site.start(faults)
            return
        if operation.overrides:
            self.site.restart()
            self.site.settle()
        self.site.deaths = 0
        self.site.arm(self.site.processes[0], faults)
        operation.ask(bench)

    def _override(self, bench: Bench, operation: Operation) -> None:
        """Managers that are started from now on have the operation's options."""
        name = bench.setting.backend
        self.site.overrides |= {f"{name}.{key}": text for key, text in operation.overrides.items()}

    def _rest(self, bench: Bench, operation: Operation) -> None:
        """All is at rest, and mended."""
        self.site.settle()
        deadline = time.monotonic() + self.site.patience
        while operation.unmended(bench):
            if time.monotonic() > deadline:
                raise Wrong("stuck", f"not mended\n{self.site.log()}")
            time.sleep(0.02)
            self.site.settle()
        self.site.settle()

    def _right(self, bench: Bench, operation: Operation, expected: Counter[str]) -> None:
        """What should be there is, undamaged, and nothing else."""
        try:
            operation.after(bench)
            self.keeps()
        except (AssertionError, OSError, AbacaError) as error:
            raise Wrong("lost", f"{error}\n{self.site.log()}") from error
        self.same(self.site.census() if operation.lasting else expected)

    def keeps(self) -> None:
        """The keeper's shares are as they were; AssertionError."""
        keeper = self.site.tenant(KEEPER)
        for backend, share in self.site.kept.items():
            found = keeper.read(share)
            assert found is not None, f"the keeper's share on {backend} has gone"  # noqa: S101
            status = str(found.instance.status)
            assert status == "available", f"the keeper's share on {backend}: {status}"  # noqa: S101
            data = self.site.world.names(found)
            assert data == {KEPT}, f"the keeper's data on {backend}: {data}"  # noqa: S101

    def same(self, expected: Counter[str]) -> None:
        """The ledger and the world are as expected, and agree."""
        deadline = time.monotonic() + CENSUS_SECONDS
        while True:
            found, strays = self.site.census(), self.site.world.strays()
            if (found == expected and not strays) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        more, less = found - expected, expected - found
        if strays or more:
            raise Wrong("leaked", f"{strays} {dict(more)} (less: {dict(less)})\n{self.site.log()}")
        if less:
            raise Wrong("lost", f"{dict(less)}\n{self.site.log()}")

    def _disarm(self) -> None:
        for process in self.site.processes:
            if alive(process):
                self.site.arm(process, DISARMED)

    def _clear(self, bench: Bench, operation: Operation) -> None:
        """Everything of the tenant's goes; then all is as it was before."""
        if operation.overrides:
            self.site.overrides.clear()
            self.site.restart()
        bench.clear()
        if operation.lasting:
            self.base = self.site.census()
        self.same(self.base)


def _sum(one: Counter[str], other: Counter[str], *, sign: int = 1) -> Counter[str]:
    """Both together, or their difference; only what is not zero."""
    both = {name: one[name] + sign * other[name] for name in one.keys() | other.keys()}
    return Counter({name: count for name, count in both.items() if count})


def _points(trace: list[str]) -> Iterator[str]:
    """The points of a trace, numbered; of repeated ones the first few."""
    seen: Counter[str] = Counter()
    for line in trace:
        seen[line] += 1
        most = 1 if line.removeprefix("commit.").startswith(ONCE) else SAME_POINT
        if seen[line] <= most:
            yield f"{line}:{seen[line]}"


def _die_asking(bench: Bench, operation: Operation, side: str) -> None:
    """In a process of its own, which has a connection of its own."""
    which = 1 if side == "before" else operation.requests
    os.environ[FAULT_VARIABLE] = f"commit.request:{side}:{which}"
    url = bench.site.db.engine.url.render_as_string(hide_password=False)
    try:
        bench.site.db = Database(url, pool_size=1)
        bench.tenant = bench.site.tenant(PROJECT)
        operation.ask(bench)
    finally:
        os._exit(1)
