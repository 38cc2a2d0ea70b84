"""What was found: lines while it goes on, one line and a file for machines in the end."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("stuck", "leaked", "lost")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that should not be."""

    kind: str
    """stuck, leaked or lost"""
    where: str
    """What was done, as it can be done again."""
    text: str


@dataclass(kw_only=True)
class Report:
    """Counts runs; a run is one thing done to Abaca, all that came of it looked at."""

    seed: int
    database: str
    runs: int = 0
    missed: int = 0
    """Runs that ended before they came to their fault point; they are not counted as runs."""
    points: set[str] = field(default_factory=set)
    """The fault points at which something died or was paused."""
    by_kind: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def done(self, kind: str, point: str | None = None) -> None:
        """One run is over, and all was well."""
        self.runs += 1
        self.by_kind[kind] += 1
        if point is not None:
            self.points.add(point.rpartition(":")[0] if point[-1].isdigit() else point)

    def wrong(self, finding: Finding) -> None:
        """One run is over, and something was not."""
        self.findings.append(finding)
        self.say(f"{finding.kind.upper()}: {finding.where}\n{finding.text}")

    def say(self, text: str) -> None:
        """A line for who watches."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def count(self, kind: str) -> int:
        """How many findings of this kind there are."""
        return sum(item.kind == kind for item in self.findings)

    @property
    def summary(self) -> str:
        """The line at the end."""
        found = ", ".join(f"{self.count(kind)} {kind}" for kind in KINDS)
        return f"torture: {self.runs} runs, {found}"

    def finish(self, file: Path | None) -> int:
        """Say how it was; the exit code, 0 only if something was tried and nothing found."""
        if file is not None:
            file.write_text(json.dumps(self.as_dict(), indent=2) + "\n")
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.by_kind.items()))
        self.say(
            f"seed {self.seed}, {self.database}: {kinds}; {len(self.points)} fault points, "
            f"{self.missed} not reached again"
        )
        self.say(self.summary)
        return 0 if self.runs and not self.findings else 1

    def as_dict(self) -> dict[str, object]:
        """The report for machines."""
        return {
            "runs": self.runs,
            **{kind: self.count(kind) for kind in KINDS},
            "fault_points": len(self.points),
            "seed": self.seed,
            "database": self.database,
            "missed": self.missed,
            "kinds": dict(self.by_kind),
            "points": sorted(self.points),
            "findings": [
                {"kind": item.kind, "where": item.where, "text": item.text}
                for item in self.findings
            ],
        }
