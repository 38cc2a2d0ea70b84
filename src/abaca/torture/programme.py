"""The parts of the torture, and how much of the time each has."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from abaca.errors import AbacaError
from abaca.testing.databases import SERVERS, DatabaseServer, serving
from abaca.torture.disasters import (
    EVERYWHERE,
    ON_LINUX,
    ON_SQLITE,
    ON_VOLUME,
    Disaster,
    Refusal,
    of_server,
    site_url,
    tried,
)
from abaca.torture.fake_site import fake_site
from abaca.torture.linux_site import linux_site
from abaca.torture.report import Report
from abaca.torture.run import Choice, Faults, finding
from abaca.torture.site import Site
from abaca.torture.small_database import small_database
from abaca.torture.storm import CUSTOMERS, Storm
from abaca.torture.trial import PROJECTS, Trials

PHASES = {"storm": 0.12, "disasters": 0.2, "kill": 0.3, "pause": 0.08, "linux": 0.3}
"""Parts of the duration; what one does not use, the next ones have."""

Making = Callable[[], AbstractContextManager[Site]]


@dataclass(kw_only=True)
class Programme:
    """One torture, from start to end."""

    report: Report
    database: str
    chance: random.Random
    choice: Choice
    server: DatabaseServer | None = None
    """Started if the database has one, and none is given."""

    def run(self, seconds: float, phases: Sequence[str] = ()) -> None:
        """Every part, or those named."""
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        chosen = {name: share for name, share in PHASES.items() if name in (phases or PHASES)}
        end = time.monotonic() + seconds
        with ExitStack() as stack:
            if self.server is None and self.database in SERVERS:
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

    def _storm(self, seconds: float) -> None:
        """A thousand operations by many tenants."""
        with self._url() as url, fake_site(url, [*PROJECTS, *CUSTOMERS]) as site:
            trials = Trials(site=site)
            trials.begin()
            storm = Storm(report=self.report, trials=trials, chance=self._chance())
            try:
                storm.run(seconds)
            except (AssertionError, AbacaError) as error:
                self.report.runs += 1
                self.report.wrong(finding(error, f"storm, seed {self.report.seed}"))

    def _disasters(self, seconds: float) -> None:
        """Each on a site of its own, in equal parts of the time."""
        here = ON_SQLITE if self.server is None else of_server(self.server, self.database)
        parts: list[Callable[[float], None]] = [
            partial(self._some, self._fake, EVERYWHERE),
            partial(self._some, self._fake, here),
            self._small,
            partial(self._some, self._real, ON_LINUX),
            partial(self._some, self._little_room, ON_VOLUME),
        ]
        end = time.monotonic() + seconds
        while parts:
            left = max(0.0, end - time.monotonic())
            parts.pop(0)(left / (len(parts) + 1))

    def _some(
        self,
        make: Making,
        disasters: tuple[Disaster | Refusal, ...],
        seconds: float,
    ) -> None:
        """Each disaster once, then in turn while there is time; or until one goes wrong."""
        end = time.monotonic() + seconds
        untried = len(disasters)
        where = disasters[0].name
        try:
            with make() as site:
                trials = Trials(site=site)
                trials.begin()
                waiting = [(item, tried(trials, item)) for item in disasters]
                while waiting:
                    disaster, tries = waiting.pop(0)
                    found = next(tries, None)
                    if found is None:
                        continue
                    setting, name, attempt = found
                    where = f"{setting.backend}/{name}, {disaster.name}"
                    attempt()
                    self.report.done(disaster.name)
                    self.report.say(f"{self.report.summary}; {where}")
                    waiting.append((disaster, tries))
                    untried -= 1
                    if untried <= 0 and time.monotonic() > end:
                        break
        except (AssertionError, AbacaError) as error:
            self.report.runs += 1
            self.report.wrong(finding(error, where))

    def _small(self, seconds: float) -> None:
        """On a database of its own."""
        with small_database(self.database) as (url, disaster):
            self._some(partial(fake_site, url, PROJECTS), (disaster,), seconds)

    def _linux(self, seconds: float) -> None:
        self._faults("killed", fake=False).run(seconds)

    def _faults(self, kind: str, *, fake: bool = True) -> Faults:
        return Faults(
            report=self.report,
            make=self._fake if fake else self._real,
            chance=self._chance(),
            choice=self.choice,
            fake=fake,
            kind=kind,
        )

    def _chance(self) -> random.Random:
        """One of its own for each part, so that what one part does makes no other differ."""
        return random.Random(self.chance.random())  # noqa: S311 - to be had again

    @contextmanager
    def _fake(self) -> Iterator[Site]:
        with self._url() as url, fake_site(url, PROJECTS) as site:
            yield site

    @contextmanager
    def _real(self) -> Iterator[Site]:
        with self._url() as url, linux_site(url, PROJECTS) as site:
            yield site

    @contextmanager
    def _little_room(self) -> Iterator[Site]:
        with self._url() as url, linux_site(url, PROJECTS, small=True) as site:
            yield site

    @contextmanager
    def _url(self) -> Iterator[str | None]:
        """A database of its own on the server, if there is one."""
        if self.server is None:
            yield None
            return
        url = site_url(self.server, self.database)
        try:
            yield url
        finally:
            self.server.drop(url)
