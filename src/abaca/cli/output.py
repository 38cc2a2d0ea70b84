"""Tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click

WIDE = 250
"""Where nobody looks at it directly: one line per row."""


def show(rows: Sequence[Mapping[str, object]], columns: Sequence[str], output: str) -> None:
    """Print the rows: all they have as "json", these columns as a "table"."""
    if output == "json":
        click.echo(json.dumps(list(rows), indent=2, default=str))
        return
    if not rows:
        click.echo("none")
        return
    from rich.box import SIMPLE  # noqa: PLC0415 - `abaca --help` must be quick
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE, pad_edge=False)
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name.endswith("id"))
    for row in rows:
        # Not markup: a section's name has brackets.
        cells = ("" if row.get(name) is None else str(row[name]) for name in columns)
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    console.print(table) if console.is_terminal else Console(width=WIDE).print(table)


def show_one(row: Mapping[str, object], output: str) -> None:
    """Print one thing: an object as "json", names and values as a "table"."""
    if output == "json":
        click.echo(json.dumps(dict(row), indent=2, default=str))
        return
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' ')}: {'' if value is None else value}")
