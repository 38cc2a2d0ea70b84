"""`abaca audit`: where the database and this host differ."""

from __future__ import annotations

import click

from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show

COLUMNS = ("backend", "kind", "direction", "resource_id", "detail")


@click.command()
@config_files
@click.option(
    "--pause",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between the two looks that must both see a difference.",
)
@output_format
def audit(files: Files, *, pause: float, output: str) -> None:
    """Compare the database with the backends of this host, both ways; change nothing.

    missing_in_ledger: drivers or plugins have it, and it belongs to nobody. missing_in_world: the
    database has it, and it is gone. not_asked: driver or plugin did not answer. Share managers do
    the same every audit_seconds; `openstack share orphan list` shows what they found.
    """
    from dataclasses import asdict  # noqa: PLC0415 - `abaca --help` must be quick

    from abaca.service.audit import differences  # noqa: PLC0415 - same

    config = files.load(need_backends=True)
    with files.database() as database:
        found = differences(config, database, pause=pause)
    show([asdict(item) for item in found], COLUMNS, output)
