"""The parts of the torture, and how much of the time each has."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from abaca.testing.databases import SERVERS, DatabaseServer, serving
from abaca.torture.fake_site import fake_site
from abaca.torture.linux_site import linux_site
from abaca.torture.report import Report
from abaca.torture.run import Choice, Faults
from abaca.torture.site import Site
from abaca.torture.trial import PROJECTS

PHASES = {"kill": 0.4, "pause": 0.15, "linux": 0.3}
"""Parts of the duration; what one does not use, the next ones have."""


@dataclass(kw_only=True)
class Programme:
    """One torture, from start to end."""

    report: Report
    database: str
    chance: random.Random
    choice: Choice
    server: DatabaseServer | None = None

    def run(self, seconds: float, phases: Sequence[str] = ()) -> None:
        """Every part, or those named."""
        chosen = {name: share for name, share in PHASES.items() if name in (phases or PHASES)}
        end = time.monotonic() + seconds
        with ExitStack() as stack:
            if self.database in SERVERS:
                self.server = stack.enter_context(serving(self.database))
            while chosen:
                whole = sum(chosen.values())
                name, share = next(iter(chosen.items()))
                left = max(0.0, end - time.monotonic())
                self.report.say(f"torture: {name}")
                getattr(self, f"_{name}")(left * share / whole)
                del chosen[name]

    def _kill(self, seconds: float) -> None:
        self._faults("killed").run(seconds)

    def _pause(self, seconds: float) -> None:
        self._faults("paused").run(seconds)

    def _linux(self, seconds: float) -> None:
        self._faults("killed", fake=False).run(seconds)

    def _faults(self, kind: str, *, fake: bool = True) -> Faults:
        return Faults(
            report=self.report,
            make=self._fake if fake else self._real,
            chance=random.Random(self.chance.random()),  # noqa: S311 - to be had again
            choice=self.choice,
            fake=fake,
            kind=kind,
        )

    @contextmanager
    def _fake(self) -> Iterator[Site]:
        with self._url() as url, fake_site(url, PROJECTS) as site:
            yield site

    @contextmanager
    def _real(self) -> Iterator[Site]:
        with self._url() as url, linux_site(url, PROJECTS) as site:
            yield site

    @contextmanager
    def _url(self) -> Iterator[str | None]:
        """A database of its own on the server, if there is one."""
        if self.server is None:
            yield None
            return
        url = self.server.create()
        yield url
        self.server.drop(url)
