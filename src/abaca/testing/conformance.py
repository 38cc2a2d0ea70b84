"""A pytest plugin that tells which kinds of case each network plugin has passed, as a table.

Beside it, the same of the optional capabilities that plugins announce.

Switch it on with ``-p abaca.testing.conformance``, in the project's pytest
options say. It works with pytest-xdist. After a run that had cases of
`abaca.testing.network_suite` in it, the table is in the summary.

- ``--conformance-report FILE`` writes it, with every case, as Markdown.
- ``--conformance-complete`` fails the run unless every kind, and every capability that
  is announced, has passed for every plugin, and no case was skipped. Only for runs of
  the whole suite. The option
  ``conformance_plugins`` of the project's pytest options may list those that must be
  there, by their ``title``; without it those that are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from abaca.testing.kinds import NOT_ANNOUNCED, Capability, Column, Kind, column, column_of

PROPERTY = "conformance"
PASSED, FAILED, SKIPPED, MISSING = "passed", "failed", "skipped", "missing"
ABSENT = "not announced"
WORST_FIRST = (FAILED, SKIPPED, PASSED, ABSENT)
GOOD = (PASSED, ABSENT)
SIGNS = {FAILED: "F", SKIPPED: "s", MISSING: "-", ABSENT: "."}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options above."""
    group = parser.getgroup("conformance", "conformance of network plugins")
    group.addoption(
        "--conformance-report", metavar="FILE", help="write the table and every case, as Markdown"
    )
    group.addoption(
        "--conformance-complete",
        action="store_true",
        help="fail if a kind of case, or a capability that a plugin announces, has not passed "
        "for it, or a case was skipped",
    )
    parser.addini("conformance_plugins", "titles of all plugins that must be tried", "linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Collect where the reports come together: in the controller, where there are workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config), "abaca-conformance-reporter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What each case is of travels with its report."""
    for item in items:
        of = column_of(getattr(item, "function", None))
        if of is not None:
            item.user_properties.append((PROPERTY, [_title(item), of.name, item.name]))


def _title(item: pytest.Item) -> str:
    """The class's title, with the parameter that it is run for (a database, say)."""
    cls = getattr(item, "cls", None)
    title = getattr(cls, "title", "") or getattr(cls, "__name__", item.name)
    callspec = getattr(item, "callspec", None)
    return f"{title} [{callspec.id}]" if callspec is not None and callspec.id else title


@dataclass(slots=True)
class Table:
    """Outcomes by plugin and kind, or capability, of each case by its name."""

    expected: tuple[str, ...] = ()
    cells: dict[tuple[str, Column], dict[str, str]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    @property
    def titles(self) -> list[str]:
        """Those that were tried or should have been, in order."""
        seen = dict.fromkeys(title for title, _ in self.cells)
        missing = [item for item in self.expected if not any(_is(item, title) for title in seen)]
        return sorted([*seen, *missing])

    def add(self, title: str, of: Column, name: str, outcome: str) -> None:
        """What a case ended in, or a phase of it; the worst counts."""
        cell = self.cells[title, of]
        cell[name] = min(outcome, cell.get(name, outcome), key=WORST_FIRST.index)

    def outcome(self, title: str, of: Column) -> str:
        """That of its worst case."""
        found = self.cells.get((title, of), {}).values()
        return min(found, key=WORST_FIRST.index, default=MISSING)

    def lines(self) -> list[str]:
        """A row for each plugin, with the number of cases that it passed of each kind."""
        wide = max(map(len, self.titles))
        rows = [" " * wide + "".join(f"{kind.number:4}" for kind in Kind)]
        rows += [
            f"{title:{wide}}" + "".join(f"{self._sign(title, kind):>4}" for kind in Kind)
            for title in self.titles
        ]
        rows += [f"{kind.number:4}  {kind.value}" for kind in Kind]
        rows += ["", " " * wide + "".join(f"{item.title:>14}" for item in Capability)]
        rows += [
            f"{title:{wide}}" + "".join(f"{self._sign(title, item):>14}" for item in Capability)
            for title in self.titles
        ]
        return [*rows, "number of cases passed; F failed, s skipped, - missing, . not announced"]

    def _sign(self, title: str, of: Column) -> str:
        count = str(len(self.cells.get((title, of), {})))
        return SIGNS.get(self.outcome(title, of), count)

    def gaps(self) -> list[str]:
        """What is not passed, one line each."""
        found = [
            f"{title}: {_spelled(of)}: {outcome}"
            for title in self.titles
            for of in (*Kind, *Capability)
            if (outcome := self.outcome(title, of)) not in GOOD
        ]
        return found if self.titles else ["no case of the conformance suite was run"]

    def markdown(self) -> str:
        """The same for a file, and every case."""
        kinds = [self._row(title, Kind) for title in self.titles]
        powers = [self._row(title, Capability) for title in self.titles]
        parts = ["# Conformance of network plugins\n"]
        parts += _table(["", *(str(kind.number) for kind in Kind)], kinds)
        parts += ["", *(f"{kind.number}. {kind.value}" for kind in Kind)]
        parts += ["\n## Optional capabilities\n"]
        parts += _table(["", *(item.title for item in Capability)], powers)
        parts += ["", *(f"- {item.title}: {item.value}" for item in Capability), "\n## Cases\n"]
        cases = [
            [title, str(of.number) if isinstance(of, Kind) else of.title, name, outcome]
            for title in self.titles
            for of in (*Kind, *Capability)
            for name, outcome in sorted(self.cells.get((title, of), {}).items())
        ]
        parts += _table(["plugin", "kind", "case", ""], cases)
        return "\n".join(parts) + "\n"

    def _row(self, title: str, columns: Iterable[Column]) -> list[str]:
        return [title, *(self._sign(title, of) for of in columns)]


def _spelled(of: Column) -> str:
    return f"{of.number} {of.value}" if isinstance(of, Kind) else f"{of.title}: {of.value}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


class Reporter:
    """Fills a `Table` as reports come in, and tells it in the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: str | None = config.getoption("--conformance-report")
        self._complete: bool = config.getoption("--conformance-complete")
        expected = config.getini("conformance_plugins") if self._complete else ()
        self.table = Table(expected=tuple(expected))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test is over."""
        absent = any(name == NOT_ANNOUNCED for name, _ in report.user_properties)
        outcome = ABSENT if absent and report.outcome == PASSED else report.outcome
        for name, value in report.user_properties:
            if name == PROPERTY and (report.when == "call" or report.outcome != PASSED):
                title, of, case = list(value)  # type: ignore[call-overload]
                self.table.add(title, column(of), case, outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file; if it must be complete and is not, the run has failed."""
        if self._file is not None:
            Path(self._file).write_text(self.table.markdown(), encoding="utf-8")
        if self._gaps() and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _gaps(self) -> list[str]:
        return self.table.gaps() if self._complete else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table, and what it lacks."""
        gaps = self._gaps()
        if self.table.cells or gaps:
            terminalreporter.section("conformance of network plugins")
        if self.table.cells:
            for line in self.table.lines():
                terminalreporter.write_line(line)
        for line in gaps:
            terminalreporter.write_line(f"conformance: {line}", red=True)


def _is(expected: str, title: str) -> bool:
    """True if the title is the expected one, for whatever parameter."""
    return title == expected or title.startswith(f"{expected} [")
