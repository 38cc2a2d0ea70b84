"""A service killed at any step, and started again, ends where an undisturbed one does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import abaca
from crash.scenarios import ADMINS, LIFE, SPECIAL
from support import crash_fake
from support.crash import Place, World, play
from support.crash_service import Nursery, nursery, steps_of

FAKE = World(backends="support.crash_fake:backends", left_behind=crash_fake.left_behind)
COMMITS = 2
"""So many of the first commits of a service are tried; a share is there after a few."""
STEPS = steps_of("support.crash_fake")
SOURCES = Path(abaca.__file__).parent


@pytest.fixture(scope="module")
def births() -> Iterator[Nursery]:
    """Forks services."""
    with nursery() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Place:
    """On the database of this run."""
    return Place(tmp_path, database_url)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_step(births: Nursery, place: Place, step: str, side: str):
    """Killed before or after the step, and started again: all is as if nothing had happened."""
    play(births, place, FAKE, SPECIAL.get(step, LIFE), f"{step}:{side}")


@pytest.mark.parametrize(
    "point",
    [
        "claim:after",
        "allocate:after",
        "record:before",
        "release:after",
        "adopt:after",
        "forget:before",
    ],
)
def test_killed_on_the_admin_network(births: Nursery, place: Place, point: str):
    """Killed at the second step of each name, which is for the admin address: the same."""
    play(births, place, FAKE, ADMINS, f"network.{point}:2")


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(1, COMMITS + 1))
def test_killed_at_commit(births: Nursery, place: Place, number: int, side: str):
    """Killed around the N-th commit of the service: the same."""
    play(births, place, FAKE, LIFE, f"commit.tasks.claim:{side}:{number}")


def test_every_step_is_tried():
    """No step of the control plane was overlooked because nothing imports its module."""
    written = {
        name
        for pattern in ("manager/*.py", "work/*.py", "network/bound.py")
        for file in SOURCES.glob(pattern)
        for name in re.findall(r'@step\("([^"]+)"\)', file.read_text())
    }
    assert written <= set(STEPS)
    assert len(written) > 12
