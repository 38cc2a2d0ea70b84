"""Tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click


def show(rows: Sequence[Mapping[str, object]], columns: Sequence[str], output: str) -> None:
    """Print the rows: all they have as "json", these columns as a "table"."""
    if output == "json":
        click.echo(json.dumps(list(rows), indent=2, default=str))
        return
    if not rows:
        click.echo("none")
        return
    from rich.console import Console  # noqa: PLC0415 - `abaca --help` must be quick
    from rich.table import Table  # noqa: PLC0415

    table = Table(*(name.replace("_", " ") for name in columns))
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in columns))
    Console().print(table)
