"""`abaca network orphans`: what exists and belongs to nobody."""

from __future__ import annotations

import click

from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show

COLUMNS = ("backend", "kind", "what", "state")


@click.command()
@config_files
@click.option("--repair", is_flag=True, help="Remove it, but for what may hold data.")
@click.option("--data", is_flag=True, help="With --repair: share servers with their shares, too.")
@click.option(
    "--older-than",
    type=click.IntRange(0),
    metavar="SECONDS",
    help="Of addresses, ports and networks only those so old; orphan_seconds by default.",
)
@output_format
def orphans(files: Files, *, repair: bool, data: bool, older_than: int | None, output: str) -> None:
    """List what exists for the backends of this host, but is in no row of the database.

    That is addresses, ports, networks and routers of the network plugins, and share servers,
    shares and snapshots of the drivers. A running share manager removes the former by itself.
    Run it on the host of the backends.
    """
    from dataclasses import asdict  # noqa: PLC0415 - `abaca --help` must be quick
    from datetime import timedelta  # noqa: PLC0415 - same

    from abaca.service.orphans import Audit, Repair  # noqa: PLC0415 - same

    if data and not repair:
        raise click.UsageError("--data is about what --repair removes; write both")
    wanted = Repair.NOTHING if not repair else Repair.WITH_DATA if data else Repair.WITHOUT_DATA
    config = files.load(need_backends=True)
    age = timedelta(seconds=config.work.orphan_seconds if older_than is None else older_than)
    with files.database() as database:
        found = Audit(config=config, db=database, age=age, repair=wanted).run()
    show([asdict(item) for item in found], COLUMNS, output)
