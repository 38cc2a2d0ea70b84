"""A bounded part of ``make torture``: operations in every mode, killed at some of the points."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

import abaca
from abaca import steps
from abaca.torture import points
from abaca.torture.operations import OPERATIONS
from abaca.torture.programme import Programme
from abaca.torture.report import Report
from abaca.torture.run import Choice

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("torture")]
SOURCES = Path(abaca.__file__).parent
SEED = 1


def torture(phase: str, seconds: float) -> Report:
    """Some of it, on SQLite; always the same for the same seed, as far as time allows."""
    report = Report(seed=SEED, database="sqlite")
    Programme(
        report=report,
        database="sqlite",
        chance=random.Random(SEED),  # noqa: S311 - to be had again
        choice=Choice(),
    ).run(seconds, [phase])
    return report


def test_killed_anywhere_it_ends_well() -> None:
    """Nothing is stuck, leaked or lost, at whichever fault points there was time for."""
    report = torture("kill", 25)
    assert [f"{item.kind}: {item.where}\n{item.text}" for item in report.findings] == []
    assert report.by_kind["killed"] >= 5


def test_paused_past_its_lease_it_changes_nothing() -> None:
    """A manager that sleeps past its lease at a fault point, and wakes, does no harm."""
    report = torture("pause", 10)
    assert [f"{item.kind}: {item.where}\n{item.text}" for item in report.findings] == []
    assert report.runs >= 1


def test_every_step_is_a_fault_point() -> None:
    """No step was overlooked because nothing imports its module."""
    written = {
        name
        for file in SOURCES.rglob("*.py")
        if "torture" not in file.parts
        for name in re.findall(r'@step\("([^"]+)"\)', file.read_text())
    }
    points.import_all()
    assert written <= set(steps.names())
    listed = points.every()
    assert {f"{name}:{side}" for name in written for side in points.SIDES} <= set(listed)


def test_operations_have_names_of_their_own() -> None:
    """An operation is found by its name."""
    names = [item.name for item in OPERATIONS]
    assert len(set(names)) == len(names)
