"""What the demonstration did: progress as it goes, a table at the end, and the same as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried, and what was seen."""

    name: str
    mode: str
    project: str
    passed: bool
    seconds: float
    evidence: dict[str, str]


@dataclass(slots=True)
class Report:
    """Collects checks; prints each as it ends."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    checks: list[Check] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)

    @contextmanager
    def check(self, name: str, *, mode: str = "", project: str = "") -> Iterator[dict[str, str]]:
        """Run one check; an exception fails it and is shown, and the demonstration goes on."""
        evidence: dict[str, str] = {}
        start = time.monotonic()
        passed = False
        try:
            yield evidence
            passed = True
        except Exception as error:  # noqa: BLE001 - a failed check is a result, not a crash
            evidence["error"] = f"{type(error).__name__}: {error}"
        finally:
            seconds = round(time.monotonic() - start, 2)
            if not passed:
                evidence.setdefault("error", "interrupted")
            done = Check(
                name=name,
                mode=mode,
                project=project,
                passed=passed,
                seconds=seconds,
                evidence=evidence,
            )
            self.checks.append(done)
            self._show(done)

    def _show(self, check: Check) -> None:
        mark = "[green]ok  [/green]" if check.passed else "[red]FAIL[/red]"
        seen = ", ".join(f"{key}={value}" for key, value in check.evidence.items())
        who = f"{check.mode or 'service':<18} {check.project:<6}"
        self.console.print(f"{mark} {check.seconds:6.2f} s  {who} {check.name}", end="")
        self.console.print(f"  [dim]{seen}[/dim]" if seen else "", soft_wrap=True)

    def say(self, text: str) -> None:
        """A line of progress."""
        self.console.print(f"[bold]{text}[/bold]")

    def table(self, title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Show a table."""
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(check.passed for check in self.checks)

    @property
    def failed(self) -> int:
        """How many did not."""
        return len(self.checks) - self.passed

    def finish(self, path: Path | None) -> int:
        """Print the summary, write the JSON if asked, and answer the exit code."""
        for item in self.left_behind:
            self.console.print(f"[red]left behind[/red] {item}")
        rows: list[tuple[str, ...]] = []
        for mode in self.modes:
            own = [check for check in self.checks if check.mode == mode]
            exports = {c.evidence["export"] for c in own if "export" in c.evidence}
            good = sum(check.passed for check in own)
            seconds = f"{sum(check.seconds for check in own):.1f} s"
            rows.append((mode, f"{good}/{len(own)}", seconds, "\n".join(sorted(exports))))
        self.table("Summary", ("mode", "checks", "time", "exports"), rows)
        if path is not None:
            path.write_text(json.dumps(self.as_json(), indent=2) + "\n")
        left = len(self.left_behind)
        print(f"demo: {self.passed} checks passed, {self.failed} failed, {left} left behind")  # noqa: T201
        return 0 if self.passed and not self.failed and not left else 1

    def as_json(self) -> dict[str, object]:
        """The report for machines."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "left_behind": len(self.left_behind),
            "left_behind_items": self.left_behind,
            "modes": self.modes,
            "checks": [asdict(check) for check in self.checks],
        }
