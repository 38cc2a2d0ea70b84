"""Real share servers: set-up split by step, removal, many on one host, memory.

Beside it the two programs alone, started by hand in a namespace that is ready, with the
volume mounted: what no share server can be quicker than.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from abaca.steps import observed
from benchmarks import by_hand, hosts
from benchmarks.hosts import Host
from benchmarks.results import Run
from benchmarks.service import memory_mb
from benchmarks.timing import percentile, timed

VERSIONS = "4"


@dataclass(slots=True)
class Stopwatch:
    """How long it is from each step's beginning to the next one's."""

    spans: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _at: tuple[str, float] | None = None

    def at(self, name: str) -> None:
        """A step begins."""
        moment = time.perf_counter()
        if self._at is not None:
            self.spans[self._at[0]].append(moment - self._at[1])
        self._at = (name, moment)

    def end(self) -> None:
        """The last one ended."""
        self.at("")
        self._at = None


def run(run: Run) -> None:
    """Ganesha by hand, then so many share servers, then away with them."""
    hand, hand_memory = _by_hand(run)
    with hosts.host(run.folder / "host", versions=VERSIONS) as host:
        watch = Stopwatch()
        taken, shares = [], []
        for number in range(run.servers):
            server, share = host.machine.call(lambda: _make(host, number, watch))  # noqa: B023
            taken.append(server)
            shares.append(share)
            if number % 10 == 9:  # noqa: PLR2004 - progress
                run.say(f"  {number + 1} share servers serve")
        _rows(run, taken, shares, hand)
        for name, spans in watch.spans.items():
            run.add(f"step {name}", median(spans) * 1000, "ms")
        _memory(run, host, hand_memory)
        gone = [
            timed(lambda: host.machine.call(lambda: _remove(host, number)))  # noqa: B023
            for number in range(run.servers)
        ]
        run.add("removal of a share server with its share", percentile(gone, 50), "ms",
                p99=percentile(gone, 99))  # fmt: skip


def _by_hand(run: Run) -> tuple[float, float]:
    """Milliseconds until it serves, and MB of both programs."""
    taken, memory = [], 0.0
    with by_hand.volume(run.folder / "hand") as path, by_hand.namespace() as (server, _):
        for number in range(run.of(5, 1)):
            folder = run.folder / f"hand{number}"
            with by_hand.ganesha(server, folder, path, versions=VERSIONS) as started:
                taken.append(started.seconds)
                memory = memory_mb(*started.processes)["pss"]
    return percentile(taken, 50), memory


def _make(host: Host, number: int, watch: Stopwatch) -> tuple[float, float]:
    """Seconds for the server, and for its first share with a rule."""
    share = hosts.share_of(number)
    assert share.server is not None
    with observed(watch):
        begun = time.perf_counter()
        host.driver.ensure_server(share.server, hosts.network_of(number))
        watch.end()
        between = time.perf_counter()
        host.driver.ensure_share(share, None)
        host.driver.apply_access(share, [hosts.EVERYBODY])
        watch.end()
        return between - begun, time.perf_counter() - between


def _rows(run: Run, taken: list[float], shares: list[float], hand: float) -> None:
    run.add(
        "set-up of a share server",
        percentile(taken, 50),
        "ms",
        baseline=hand,
        against="Ganesha by hand",
        target="at most 1.5",
        p99=percentile(taken, 99),
    )
    run.add("its first share and rule", percentile(shares, 50), "ms", p99=percentile(shares, 99))
    if run.servers >= 4:  # noqa: PLR2004 - else there are no two ends
        end = max(1, run.servers // 5)
        run.add(
            f"the last {end} of {run.servers} share servers",
            percentile(taken[-end:], 50),
            "ms",
            baseline=percentile(taken[:end], 50),
            against=f"the first {end}",
        )


def _remove(host: Host, number: int) -> None:
    share = hosts.share_of(number)
    assert share.server is not None
    host.driver.remove_share(share)
    host.driver.remove_server(share.server)


def _memory(run: Run, host: Host, hand: float) -> None:
    found = memory_mb(*_daemons(host.run_path))
    run.add(
        f"memory of each of {run.servers} share servers",
        found["pss"] / run.servers,
        "MB",
        baseline=hand,
        against="Ganesha by hand",
        rss=found["rss"] / run.servers,
    )


def _daemons(path: str) -> list[int]:
    """Every process whose command line or configuration is below that path."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if path.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
