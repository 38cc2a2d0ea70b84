"""`abaca network usage` and `abaca network foreign`: how full pools are, and what others use."""

from __future__ import annotations

from pathlib import Path

import click

from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show

COLUMNS = (
    "network",
    "pool",
    "size",
    "used",
    "user",
    "admin",
    "free",
    "resting",
    "reserved",
    "outside",
    "answered",
    "imported",
    "forgotten",
    "percent",
)
FOREIGN = ("network", "address", "reason", "who", "since")
EVERY_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@config_files
@output_format
def usage(files: Files, output: str) -> None:
    """Show how full the pools of addresses are.

    The size of a pool is what can be given: its ranges, without what is reserved. Of these,
    "free" ones include those that rest, and "used" ones may be outside the ranges, where those
    were changed. Kept out are "answered" (somebody on the wire has it), "imported" (see
    `abaca network foreign`) and "forgotten" ones (of share servers that were unmanaged). The
    percentage is of the size, and what is not free.
    """
    from dataclasses import asdict  # noqa: PLC0415 - `abaca --help` must be quick

    from abaca.service import address_pools  # noqa: PLC0415 - same

    config = files.load()
    with files.database() as database:
        found = address_pools.usages(config, database)
    show([{**asdict(item), "nearly_full": item.nearly_full} for item in found], COLUMNS, output)
    for line in address_pools.warnings(found):
        click.echo(f"warning: {line}", err=True)


@click.group()
def foreign() -> None:
    """Addresses that others at the site use, and share servers are never given."""


NETWORK = click.option(
    "--network",
    required=True,
    help="Whose addresses: a flat network section, or a tenant's network by name or ID.",
)


@foreign.command("import")
@config_files
@NETWORK
@click.option("--who", default="others", show_default=True, help="Who has those without a note.")
@click.argument("file", type=EVERY_FILE)
def import_list(files: Files, network: str, who: str, file: Path) -> None:
    """Keep the addresses of a list out of a network's pools.

    FILE (- for standard input) has one line each: an address, a range FIRST-LAST or a CIDR, then
    who has it. With one wrong line nothing is imported; importing a list again is fine.
    """
    from abaca.db.foreign_addresses import ForeignAddresses  # noqa: PLC0415 - as above
    from abaca.service import address_pools, foreign_addresses  # noqa: PLC0415 - same

    with click.open_file(str(file), encoding="utf-8") as stream:
        text = stream.read()
    config = files.load()
    with files.database() as database:
        pools = address_pools.pools_of(config, database, network)
        count = foreign_addresses.keep_out(ForeignAddresses(database), pools, text, who=who)
    click.echo(f"{count} addresses are kept out of {network}")


@foreign.command("list")
@config_files
@click.option("--network", help="Only of this section or tenant's network.")
@output_format
def list_foreign(files: Files, network: str | None, output: str) -> None:
    """List what is kept out: imported, or since somebody answered for it on the wire."""
    from dataclasses import asdict  # noqa: PLC0415 - as above

    from abaca.db.foreign_addresses import ForeignAddresses  # noqa: PLC0415 - same
    from abaca.service import address_pools  # noqa: PLC0415 - same

    config = files.load()
    with files.database() as database:
        known = {item.name: item.network for item in address_pools.known_pools(config, database)}
        names = None
        if network is not None:
            names = [item.name for item in address_pools.pools_of(config, database, network)]
        found = ForeignAddresses(database).listed(names)
    rows = [{"network": known.get(item.pool, item.pool), **asdict(item)} for item in found]
    show(rows, FOREIGN, output)


@foreign.command("remove")
@config_files
@NETWORK
@click.argument("addresses", nargs=-1, required=True)
def remove_foreign(files: Files, network: str, addresses: tuple[str, ...]) -> None:
    """Have addresses or ranges given out again, whether imported or answered for.

    What is not kept out is no error.
    """
    from abaca.db.foreign_addresses import ForeignAddresses  # noqa: PLC0415 - as above
    from abaca.service import address_pools, foreign_addresses  # noqa: PLC0415 - same

    config = files.load()
    with files.database() as database:
        pools = address_pools.pools_of(config, database, network)
        count = foreign_addresses.let_in(ForeignAddresses(database), pools, addresses)
    click.echo(f"{count} addresses are given out again")
