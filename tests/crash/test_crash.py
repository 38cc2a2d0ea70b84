"""A service killed at any step, and started again, ends where an undisturbed one does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from abaca import steps
from abaca.db.tables import now
from crash.scenarios import LIFE, SPECIAL, Scenario, Stage
from support import crash_fake
from support.control_plane import Api, database
from support.crash_service import Nursery, Spec, alive, nursery

WORLD = "support.crash_fake:backends"
COMMITS = 24
"""So many of the first commits of a service are tried; a share is there after a few."""
STEPS = steps.names()


@pytest.fixture(scope="module")
def births() -> Iterator[Nursery]:
    """Forks services."""
    with nursery() as running:
        yield running


class Service:
    """One service, killed at a fault and started again without it."""

    def __init__(
        self, births: Nursery, folder: Path, api: Api, arguments: dict[str, object]
    ) -> None:
        self.births, self.folder, self.api = births, folder, api
        self.arguments = arguments
        self.crashes = 0
        self.process = 0
        self.fault: str | None = None
        self.started_at = now()

    def start(self, fault: str | None = None) -> None:
        """Start it."""
        spec = Spec(
            world=WORLD, folder=str(self.folder), arguments=dict(self.arguments), fault=fault
        )
        self.started_at = now()
        self.process = self.births.start(spec)

    def restart(self, **arguments: object) -> None:
        """Stop it, and start it with other arguments; a fault not met yet stays set."""
        self.stop()
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
        deadline = time.monotonic() + 15
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

    def log(self) -> str:
        """What it is at, and what it said."""
        return f"{self.api.rows('tasks')}\n{(self.folder / 'service.log').read_text()[-4000:]}"


def play(births: Nursery, folder: Path, scenario: Scenario, fault: str) -> None:
    """The scenario holds though the service is killed at the fault, and the fault was reached."""
    db = database(folder)
    api = Api(db)
    service = Service(births, folder, api, dict(scenario.arguments))
    service.fault = fault
    try:
        service.start(fault)
        service.settle()
        for _ in scenario.stages(Stage(api, folder, service.restart)):
            service.settle()
        assert service.crashes == 1, f"{fault} was not reached"
        assert crash_fake.left_behind(api, folder) == [], service.log()
    finally:
        service.stop()
        db.close()


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_step(births: Nursery, tmp_path: Path, step: str, side: str):
    """Killed before or after the step, and started again: all is as if nothing had happened."""
    play(births, tmp_path, SPECIAL.get(step, LIFE), f"{step}:{side}")


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(1, COMMITS + 1))
def test_killed_at_commit(births: Nursery, tmp_path: Path, number: int, side: str):
    """Killed around the N-th commit of the service: the same."""
    play(births, tmp_path, LIFE, f"db.commit:{side}:{number}")


def test_every_step_is_tried(births: Nursery):
    """No step that the service has was overlooked because its module was not imported here."""
    assert set(births.steps("support.crash_fake")) == set(STEPS)
