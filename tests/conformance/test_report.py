"""The conformance report: every kind for every plugin, and a run that lacks one fails if asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from abaca.testing.conformance import FAILED, PASSED, SKIPPED, Table
from abaca.testing.kinds import Kind, kind_of
from abaca.testing.network_suite import NetworkMakerSuite, NetworkPluginSuite

SUITE = """
import pytest
from abaca.testing.kinds import Kind, case

@pytest.fixture
def kind():
    pass

class Suite:
{cases}

class TestOne(Suite):
    title = "one"

@pytest.mark.parametrize("kind", ["a", "b"])
class TestTwo(Suite):
    title = "two"

    @case(Kind.COLLECT)
    def test_collect(self, kind):
        {collect}
"""
CASES = "\n".join(
    f"    @case(Kind.{kind.name})\n    def test_{kind.name.lower()}(self, kind): pass"
    for kind in Kind
)


def run(folder: Path, collect: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Pytest on a suite of sixteen cases; one is as told for the second plugin."""
    (folder / "test_it.py").write_text(SUITE.format(cases=CASES, collect=collect))
    config = "[pytest]\nconformance_plugins =\n    one\n    two\n"
    (folder / "pytest.ini").write_text(config)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "abaca.testing.conformance", *options]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_complete_with_workers(tmp_path: Path) -> None:
    """Reports of all workers come together: all kinds for all plugins, in summary and file."""
    done = run(
        tmp_path,
        "pass",
        *("-n", "2", "--conformance-complete", "--conformance-report", "report.md"),
    )
    assert done.returncode == 0, done.stdout
    rows = {line[:7].strip(): line[7:].split() for line in done.stdout.splitlines()}
    assert rows["one"] == rows["two [a]"] == rows["two [b]"] == ["1"] * 16
    assert "conformance: " not in done.stdout
    report = (tmp_path / "report.md").read_text()
    assert report.count("| passed |") == 48
    assert "| two [a] | 13 | test_collect[a] | passed |" in report


def test_what_is_skipped_fails_the_run(tmp_path: Path) -> None:
    """If it must be complete: by the names of plugin and kind."""
    done = run(tmp_path, "pytest.skip('no time')", "--conformance-complete")
    assert done.returncode == 1
    gaps = [line for line in done.stdout.splitlines() if line.startswith("conformance: ")]
    text = f"13 {Kind.COLLECT.value}: skipped"
    assert gaps == [f"conformance: two [a]: {text}", f"conformance: two [b]: {text}"]


def test_what_was_not_run_is_missing() -> None:
    """A kind without a case is a gap, and so is each kind of a plugin that was not tried."""
    table = Table(expected=("one", "two"))
    for kind in Kind:
        if kind is not Kind.LOST:
            table.add("two [a]", kind, "test_it", PASSED)
    assert table.titles == ["one", "two [a]"]
    assert [line for line in table.gaps() if line.startswith("two")] == [
        f"two [a]: 14 {Kind.LOST.value}: missing"
    ]
    assert len(table.gaps()) == 17
    assert Table().gaps() == ["no case of the conformance suite was run"]


def test_the_worst_outcome_counts() -> None:
    """A case that passed and then failed in its teardown has failed; so has its kind."""
    table = Table()
    for outcome in (PASSED, FAILED, PASSED):
        table.add("one", Kind.MORE, "test_it", outcome)
    table.add("one", Kind.MORE, "test_other", SKIPPED)
    assert table.outcome("one", Kind.MORE) == FAILED
    assert table.cells["one", Kind.MORE] == {"test_it": FAILED, "test_other": SKIPPED}


def test_every_case_has_a_kind_and_every_kind_a_case() -> None:
    """The suite has sixteen kinds of case, and no test that the report would pass over."""
    suite = {name: kind_of(found) for name, found in vars(NetworkPluginSuite).items()}
    kinds = {kind for name, kind in suite.items() if name.startswith("test_")}
    assert kinds == set(Kind)
    assert len(Kind) == 16
    more = [kind_of(found) for name, found in vars(NetworkMakerSuite).items() if "test_" in name]
    assert more
    assert None not in more
