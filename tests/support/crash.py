"""Playing a scenario on a service that is killed on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from abaca.db.database import Database
from abaca.db.tables import now
from support.control_plane import Api
from support.crash_service import Nursery, Spec, alive

Stages = Iterator[None]


@dataclass(frozen=True, kw_only=True)
class World:
    """What the service works on: fake storage, or the real thing."""

    backends: str
    """``module:function`` that makes the backends from (database, folder, arguments)."""
    left_behind: Callable[[Api, Path], list[str]]
    """What exists that nothing in the database accounts for."""
    seconds: float = 60
    """How long one stage may take, with its crash."""


@dataclass(frozen=True)
class Place:
    """Where a service keeps what it knows: its folder, and the URL of its database."""

    folder: Path
    database: str


@dataclass(frozen=True)
class Stage:
    """A service is under way, with its database and its world."""

    api: Api
    folder: Path
    restart: Callable[..., None]
    """Stop the service, do something meanwhile, and start it with other arguments."""


@dataclass(frozen=True)
class Scenario:
    """What to ask, of a service started with these arguments.

    ``stages`` yields when it has asked for something; it goes on when all tasks
    are done, and asserts what must be true then, whatever happened in between.
    """

    stages: Callable[[Stage], Stages]
    arguments: dict[str, object] = field(default_factory=dict)


class Service:
    """One service, killed at a fault and started again without it."""

    def __init__(
        self,
        births: Nursery,
        place: Place,
        api: Api,
        world: World,
        arguments: dict[str, object],
    ) -> None:
        self.births, self.place, self.api, self.world = births, place, api, world
        self.arguments = arguments
        self.crashes = 0
        self.process = 0
        self.fault: str | None = None
        self.started_at = now()

    def start(self, fault: str | None = None) -> None:
        """Start it."""
        spec = Spec(
            world=self.world.backends,
            folder=str(self.place.folder),
            database=self.place.database,
            arguments=dict(self.arguments),
            fault=fault,
        )
        self.started_at = now()
        self.process = self.births.start(spec)

    def restart(self, meanwhile: Callable[[], object] = lambda: None, **arguments: object) -> None:
        """Stop it, and start it with other arguments; a fault not met yet stays set."""
        self.stop()
        meanwhile()
        self.arguments |= arguments
        self.start(self.fault if not self.crashes else None)

    def stop(self) -> None:
        """Kill it, if it still runs."""
        if alive(self.process):
            os.kill(self.process, signal.SIGKILL)
            while alive(self.process):
                time.sleep(0.002)

    def settle(self) -> None:
        """Return when nothing is left to do, whatever happened to the service meanwhile."""
        deadline = time.monotonic() + self.world.seconds
        while self.api.rows("tasks") or not self.is_up():
            if not alive(self.process):
                self.crashes += 1
                self.start()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.005)
        time.sleep(0.03)  # the last commit may be the one at which it dies
        if not alive(self.process):
            self.crashes += 1
            self.start()
            if self.api.rows("tasks"):
                self.settle()

    def is_up(self) -> bool:
        """True once it has queued what it found at its start, and reported its pools."""
        seen = [cast("datetime", row["seen_at"]) for row in self.api.rows("services")]
        return bool(seen) and min(seen) > self.started_at

    def await_crash(self) -> None:
        """If it has not died yet it is about to: the last commit is seen before its end is."""
        deadline = time.monotonic() + self.world.seconds
        while not self.crashes and time.monotonic() < deadline:
            if not alive(self.process):
                self.settle()
            time.sleep(0.005)

    def log(self) -> str:
        """What it is at, and what it said."""
        said = (self.place.folder / "service.log").read_text()
        return f"{self.api.rows('tasks')}\n{said[-4000:]}"


def play(births: Nursery, place: Place, world: World, scenario: Scenario, fault: str) -> None:
    """The scenario holds though the service is killed at the fault, and the fault was reached."""
    db = Database(place.database)
    db.create_schema()
    api = Api(db)
    service = Service(births, place, api, world, dict(scenario.arguments))
    service.fault = fault
    try:
        service.start(fault)
        service.settle()
        for _ in scenario.stages(Stage(api, place.folder, service.restart)):
            service.settle()
        service.await_crash()
        assert service.crashes == 1, f"{fault} was not reached"
        assert world.left_behind(api, place.folder) == [], service.log()
    finally:
        service.stop()
        db.close()
