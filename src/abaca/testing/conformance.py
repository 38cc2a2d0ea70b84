"""A pytest plugin that tells which kinds of case each network plugin has passed, as a table.

Switch it on with ``-p abaca.testing.conformance``, in the project's pytest
options say. It works with pytest-xdist. After a run that had cases of
`abaca.testing.network_suite` in it, the table is in the summary.

- ``--conformance-report FILE`` writes it, with every case, as Markdown.
- ``--conformance-complete`` fails the run unless every kind has passed for every
  plugin, and no case was skipped. Only for runs of the whole suite. The option
  ``conformance_plugins`` of the project's pytest options may list those that must be
  there, by their ``title``; without it those that are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from abaca.testing.kinds import Kind, kind_of

PROPERTY = "conformance"
PASSED, FAILED, SKIPPED, MISSING = "passed", "failed", "skipped", "missing"
WORST_FIRST = (FAILED, SKIPPED, PASSED)
SIGNS = {FAILED: "F", SKIPPED: "s", MISSING: "-"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options above."""
    group = parser.getgroup("conformance", "conformance of network plugins")
    group.addoption(
        "--conformance-report", metavar="FILE", help="write the table and every case, as Markdown"
    )
    group.addoption(
        "--conformance-complete",
        action="store_true",
        help="fail if a kind of case has not passed for a plugin, or one was skipped",
    )
    parser.addini("conformance_plugins", "titles of all plugins that must be tried", "linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Collect where the reports come together: in the controller, where there are workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config), "abaca-conformance-reporter")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What each case is of travels with its report."""
    for item in items:
        kind = kind_of(getattr(item, "function", None))
        if kind is not None:
            item.user_properties.append((PROPERTY, [_title(item), kind.name, item.name]))


def _title(item: pytest.Item) -> str:
    """The class's title, with the parameter that it is run for (a database, say)."""
    cls = getattr(item, "cls", None)
    title = getattr(cls, "title", "") or getattr(cls, "__name__", item.name)
    callspec = getattr(item, "callspec", None)
    return f"{title} [{callspec.id}]" if callspec is not None and callspec.id else title


@dataclass(slots=True)
class Table:
    """Outcomes by plugin and kind, of each case by its name."""

    expected: tuple[str, ...] = ()
    cells: dict[tuple[str, Kind], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def titles(self) -> list[str]:
        """Those that were tried or should have been, in order."""
        seen = dict.fromkeys(title for title, _ in self.cells)
        missing = [item for item in self.expected if not any(_is(item, title) for title in seen)]
        return sorted([*seen, *missing])

    def add(self, title: str, kind: Kind, name: str, outcome: str) -> None:
        """What a case ended in, or a phase of it; the worst counts."""
        cell = self.cells[title, kind]
        cell[name] = min(outcome, cell.get(name, PASSED), key=WORST_FIRST.index)

    def outcome(self, title: str, kind: Kind) -> str:
        """That of the kind's worst case."""
        found = self.cells.get((title, kind), {}).values()
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
        return [*rows, "number of cases passed; F failed, s skipped, - missing"]

    def _sign(self, title: str, kind: Kind) -> str:
        count = str(len(self.cells.get((title, kind), {})))
        return SIGNS.get(self.outcome(title, kind), count)

    def gaps(self) -> list[str]:
        """What is not passed, one line each."""
        found = [
            f"{title}: {kind.number} {kind.value}: {outcome}"
            for title in self.titles
            for kind in Kind
            if (outcome := self.outcome(title, kind)) != PASSED
        ]
        return found if self.titles else ["no case of the conformance suite was run"]

    def markdown(self) -> str:
        """The same for a file, and every case."""
        head = ["", *(str(kind.number) for kind in Kind)]
        rows = [head, ["---"] * len(head)]
        rows += [[title, *(self._sign(title, kind) for kind in Kind)] for title in self.titles]
        parts = ["# Conformance of network plugins\n", *(f"| {' | '.join(row)} |" for row in rows)]
        parts += ["", *(f"{kind.number}. {kind.value}" for kind in Kind), "\n## Cases\n"]
        parts += ["| plugin | kind | case | |", "| --- | --- | --- | --- |"]
        parts += [
            f"| {title} | {kind.number} | {name} | {outcome} |"
            for title in self.titles
            for kind in Kind
            for name, outcome in sorted(self.cells.get((title, kind), {}).items())
        ]
        return "\n".join(parts) + "\n"


class Reporter:
    """Fills a `Table` as reports come in, and tells it in the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: str | None = config.getoption("--conformance-report")
        self._complete: bool = config.getoption("--conformance-complete")
        expected = config.getini("conformance_plugins") if self._complete else ()
        self.table = Table(expected=tuple(expected))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test is over."""
        for name, value in report.user_properties:
            if name == PROPERTY and (report.when == "call" or report.outcome != PASSED):
                title, kind, case = list(value)  # type: ignore[call-overload]
                self.table.add(title, Kind[kind], case, report.outcome)

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
