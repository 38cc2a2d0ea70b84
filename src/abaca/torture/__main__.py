"""``python -m abaca.torture``: kill Abaca wherever it can be, for so long, and tell how it was."""

from __future__ import annotations

import random
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from abaca.testing.databases import SERVERS
from abaca.torture import points
from abaca.torture.programme import PHASES, Programme
from abaca.torture.report import Report
from abaca.torture.run import Choice

DATABASES = ("sqlite", *SERVERS)


@click.command()
@click.option("--duration", default=600.0, help="Seconds that it may take, about.")
@click.option("--seed", type=int, help="Do again what was done with this seed.")
@click.option("--db", "database", type=click.Choice(DATABASES), default="sqlite")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the report here.")
@click.option("--only", help="BACKEND/OPERATION: nothing else.")
@click.option("--point", help="NAME:before|after[:N]: at no other fault point.")
@click.option(
    "--phase",
    "phases",
    type=click.Choice(tuple(PHASES)),
    multiple=True,
    help="Only this part; may be given again.",
)
@click.option("--list", "listing", is_flag=True, help="Name the fault points, and do nothing.")
def main(  # noqa: PLR0917 - one per option, given by name
    duration: float,
    seed: int | None,
    database: str,
    file: Path | None,
    only: str | None,
    point: str | None,
    phases: tuple[str, ...],
    listing: bool,
) -> None:
    """Kill Abaca wherever it can be, restart it, and compare ledger, world and data."""
    if listing:
        click.echo("\n".join(points.every()))
        return
    signal.signal(signal.SIGTERM, _interrupt)
    seed = secrets.randbelow(10**6) if seed is None else seed
    report = Report(seed=seed, database=database)
    report.say(f"torture: seed {seed}, {database}, {duration:g} s")
    programme = Programme(
        report=report,
        database=database,
        chance=random.Random(seed),  # noqa: S311 - to be had again
        choice=Choice(operation=only, point=point),
    )
    try:
        programme.run(duration, phases)
    except KeyboardInterrupt:
        report.say("Interrupted.")
        report.finish(file)
        sys.exit(130)
    sys.exit(report.finish(file))


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
