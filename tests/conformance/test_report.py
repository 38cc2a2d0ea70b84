"""The conformance report: every kind for every plugin, and a run that lacks one fails if asked."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from abaca.testing.conformance import ABSENT, FAILED, PASSED, SKIPPED, Table
from abaca.testing.kinds import Capability, Kind, column_of, kind_of
from abaca.testing.network_suite import NetworkMakerSuite, NetworkPluginSuite
from support.databases import KINDS

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest
from abaca.testing.kinds import NOT_ANNOUNCED, Capability, Kind, case

@pytest.fixture
def kind():
    pass

class Suite:
{cases}

class TestOne(Suite):
    title = "one"

    @case(Capability.POOLS)
    def test_pools(self, kind, record_property):
        record_property(NOT_ANNOUNCED, True)

@pytest.mark.parametrize("kind", ["a", "b"])
class TestTwo(Suite):
    title = "two"

    @case(Kind.COLLECT)
    def test_collect(self, kind):
        {collect}
"""
CASES = "\n".join(
    f"    @case({type(of).__name__}.{of.name})\n    def test_{of.name.lower()}(self, kind): pass"
    for of in (*Kind, *Capability)
)


def run(folder: Path, collect: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Pytest on a suite with a case of each kind and capability; one case is as told."""
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
    rows = [(line[:7].strip(), line[7:].split()) for line in done.stdout.splitlines()]
    for title in ("one", "two [a]", "two [b]"):
        kinds, powers = (row for name, row in rows if name == title)
        assert kinds == ["1"] * len(Kind)
        assert powers == ["." if title == "one" else "1", "1", "1", "1"]
    assert "conformance: " not in done.stdout
    report = (tmp_path / "report.md").read_text()
    assert report.count("| passed |") == 3 * (len(Kind) + len(Capability)) - 1
    assert "| one | HasPools | test_pools | not announced |" in report
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
    for item in Capability:
        if item is not Capability.ROUTES:
            table.add("two [a]", item, "test_it", ABSENT)
    assert table.titles == ["one", "two [a]"]
    assert [line for line in table.gaps() if line.startswith("two")] == [
        f"two [a]: 14 {Kind.LOST.value}: missing",
        f"two [a]: TenantRoutes: {Capability.ROUTES.value}: missing",
    ]
    assert len(table.gaps()) == len(Kind) + len(Capability) + 2
    assert Table().gaps() == ["no case of the conformance suite was run"]


def test_the_worst_outcome_counts() -> None:
    """A case that passed and then failed in its teardown has failed; so has its kind."""
    table = Table()
    for outcome in (PASSED, FAILED, PASSED):
        table.add("one", Kind.MORE, "test_it", outcome)
    table.add("one", Kind.MORE, "test_other", SKIPPED)
    assert table.outcome("one", Kind.MORE) == FAILED
    for outcome in (ABSENT, PASSED):
        table.add("one", Capability.POOLS, f"test_{outcome}", outcome)
    assert table.outcome("one", Capability.POOLS) == PASSED
    assert table.cells["one", Kind.MORE] == {"test_it": FAILED, "test_other": SKIPPED}


def test_every_database_that_is_told_is_required() -> None:
    """The run that must be complete is not, while one of the databases lacks all cases."""
    kinds = ("sqlite", "postgresql", "mariadb")
    table = Table(expected=tuple(f"alone [{kind}]" for kind in kinds))
    for kind in kinds[:2]:
        for of in (*Kind, *Capability):
            table.add(f"alone [{kind}]", of, "test_it", PASSED)
    gaps = table.gaps()
    assert len(gaps) == len(Kind) + len(Capability)
    assert {line.partition(":")[0] for line in gaps} == {"alone [mariadb]"}


def test_every_case_has_a_kind_and_every_kind_a_case() -> None:
    """The suite has sixteen kinds of case, and no test that the report would pass over."""
    suite = {name: column_of(found) for name, found in vars(NetworkPluginSuite).items()}
    of = {found for name, found in suite.items() if name.startswith("test_")}
    assert of == {*Kind, *Capability}
    assert len(Kind) == 16
    more = [kind_of(found) for name, found in vars(NetworkMakerSuite).items() if "test_" in name]
    assert more
    assert None not in more


def test_standalone_is_required_on_every_database() -> None:
    """A complete run of this project's has each way of using it, on all three."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    wanted = options["conformance_plugins"]
    ways = {item.partition(" [")[0] for item in wanted if item.startswith("standalone ")}
    assert len(ways) == 7
    for way in ways:
        for kind in KINDS:
            assert f"{way} [{kind}]" in wanted
