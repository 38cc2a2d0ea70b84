"""What a torture says in the end, to people and to machines; and that it can be had again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from abaca.torture.plan import VERBS, plan
from abaca.torture.report import Finding, Report
from abaca.torture.storm import OPERATIONS, TENANTS, Storm
from support.databases import Databases, main

KEYS = {"runs", "stuck", "leaked", "lost", "fault_points", "seed"}


@pytest.mark.slow
def test_one_finding_done_again(databases: Databases, tmp_path: Path) -> None:
    """Only what was asked for is done, on the database named; the last line and the file agree."""
    del databases  # the command starts its own
    file = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "abaca.torture", "--db", main(), "--seed", "7",
            "--duration", "60", "--phase", "kill", "--only", "flat/create",
            "--point", "network.record:after:1", "--json", str(file),
        ],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == f"torture: seed 7, {main()}, 60 s"
    assert lines[-1] == "torture: 1 runs, 0 stuck, 0 leaked, 0 lost", done.stdout + done.stderr
    assert done.returncode == 0
    found = json.loads(file.read_text())
    assert set(found) >= KEYS
    assert [found[key] for key in ("runs", "stuck", "leaked", "lost")] == [1, 0, 0, 0]
    assert (found["seed"], found["database"], found["fault_points"]) == (7, main(), 1)


def test_a_finding_is_a_failure(tmp_path: Path) -> None:
    """The exit code is 1 if something was found, or nothing was tried; the file says what."""
    report = Report(seed=3, database="sqlite")
    assert report.finish(None) == 1
    report.done("killed", "a.step:before:1")
    assert report.finish(None) == 0
    report.runs += 1
    report.wrong(Finding(kind="leaked", where="flat/create", text="a link"))
    assert report.finish(tmp_path / "file") == 1
    found = json.loads((tmp_path / "file").read_text())
    assert [found[key] for key in ("runs", "stuck", "leaked", "lost")] == [2, 0, 1, 0]
    assert report.summary == "torture: 2 runs, 0 stuck, 1 leaked, 0 lost"


def test_two_plans_of_one_seed_are_equal() -> None:
    """Requests are drawn beforehand: whatever is killed meanwhile, they are the same again."""
    one, other, third = (
        plan(random.Random(seed), OPERATIONS, TENANTS)  # noqa: S311 - to be had again
        for seed in (5, 5, 6)
    )
    assert one == other
    assert one != third
    assert {order.verb for order in one} == set(VERBS)


def test_every_kind_of_request_is_one_that_a_storm_makes() -> None:
    """The names of the plan are those of methods."""
    assert [verb for verb in VERBS if not hasattr(Storm, f"_{verb}")] == []
