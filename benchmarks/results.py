"""What was measured: rows, each beside its baseline, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. ``ratio`` is the value divided by the baseline, both in ``unit``."""

    bench: str
    what: str
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""
    """What the baseline is."""
    target: str = ""
    details: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """None if there is nothing to compare with."""
        return self.value / self.baseline if self.baseline else None


@dataclass(slots=True, kw_only=True)
class Run:
    """One call of the benchmarks: how much is asked, and what came of it."""

    folder: Path
    """For everything that is made; removed at the end."""
    short: bool
    databases: tuple[str, ...]
    shares: tuple[int, ...]
    servers: int
    say: Callable[[str], None]
    bench: str = ""
    rows: list[Row] = field(default_factory=list)

    def of(self, long: int, short: int) -> int:
        """How often: the first number, or the second in the short form."""
        return short if self.short else long

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        *,
        baseline: float | None = None,
        against: str = "",
        target: str = "",
        **details: float,
    ) -> None:
        """One row, said as it is measured."""
        row = Row(
            bench=self.bench,
            what=what,
            value=value,
            unit=unit,
            baseline=baseline,
            against=against,
            target=target,
            details=details,
        )
        self.rows.append(row)
        beside = f" ({row.ratio:.2f} of {against})" if row.ratio is not None else ""
        self.say(f"  {what}: {shown(value)} {unit}{beside}")


def shown(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004


def machine() -> dict[str, object]:
    """Where it was measured; ``load`` is how many processes wanted a processor when it began."""
    return {
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def as_json(rows: Sequence[Row], where: dict[str, object], *, short: bool) -> str:
    """For machines."""
    items = [
        {
            "bench": row.bench,
            "what": row.what,
            "value": row.value,
            "unit": row.unit,
            "baseline": row.baseline,
            "against": row.against,
            "ratio": row.ratio,
            "target": row.target,
            "details": row.details,
        }
        for row in rows
    ]
    return json.dumps({"machine": where, "short": short, "rows": items}, indent=2) + "\n"


def print_table(rows: Sequence[Row], where: dict[str, object]) -> None:
    """For people."""
    title = ", ".join(f"{name} {value}" for name, value in where.items())
    table = Table("bench", "what", title=title, title_justify="left")
    for name in ("value", "baseline", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("against", "target", "more"):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row.bench,
            row.what,
            f"{shown(row.value)} {row.unit}",
            shown(row.baseline),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            row.against,
            row.target,
            ", ".join(f"{name} {shown(value)}" for name, value in row.details.items()),
        )
    console = Console(highlight=False)
    console.width = max(console.width, 160)
    console.print(table)
