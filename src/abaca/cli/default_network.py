"""`abaca network default`: the share network of requests that name none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show_one

if TYPE_CHECKING:
    from abaca.context import Context
    from abaca.db.database import Tx


@click.group()
def default() -> None:
    """The share network of requests that name none, where their type needs one.

    The extra spec default_share_network of the share type comes first, then the configuration
    option of that name, then the public share network that is designated here or by the API.
    """


def _operator() -> Context:
    """Whoever may read the service's configuration is an administrator."""
    from abaca.context import Context  # noqa: PLC0415 - `abaca --help` must be quick

    return Context(
        user_id="", project_id="", roles=frozenset(), request_id="req-command", is_admin=True
    )


def _network_id(tx: Tx, name_or_id: str) -> str:
    """The ID of the one share network that is public and has this name; else as it is."""
    from abaca.db import public_networks  # noqa: PLC0415
    from abaca.errors import Conflict  # noqa: PLC0415

    found = [network_id for network_id, public in public_networks.named(tx, name_or_id) if public]
    if len(found) > 1:
        raise Conflict(f"{len(found)} public share networks have the name {name_or_id}; give an ID")
    return found[0] if found else name_or_id


@default.command("show")
@config_files
@click.option("--share-type", help="Name or ID: what applies to requests of this share type.")
@output_format
def show_default(files: Files, share_type: str | None, output: str) -> None:
    """Show which default applies, who says so, and whether it can be used.

    With the configuration as it is on disk: a service that runs reads it on SIGHUP.
    """
    from abaca.share.default_network import default_network, sources  # noqa: PLC0415
    from abaca.share.share_types import resolve  # noqa: PLC0415

    configured = files.load().api.default_share_network
    with files.database() as database, database.read() as tx:
        of_type = resolve(tx, _operator(), share_type, None) if share_type else None
        said = {str(item.source): item.value for item in sources(tx, of_type, configured)}
        found = default_network(tx, of_type, configured)
    row: dict[str, object] = {
        "share_network_id": found.network.id if found and found.network else None,
        "name": found.network.name if found and found.network else None,
        "source": str(found.said.source) if found else None,
        "usable": bool(found and found.network),
        "fault": f"{found.said.where} {found.fault}" if found and found.fault else None,
        **{f"said_by_{source}": value for source, value in said.items()},
    }
    show_one(row, output)


@default.command("set")
@config_files
@click.argument("share_network")
def set_default(files: Files, share_network: str) -> None:
    """Designate a public share network, by name or ID, instead of any other."""
    from abaca.share import public_networks  # noqa: PLC0415

    with files.database() as database, database.write() as tx:
        found = public_networks.designate(tx, _operator(), _network_id(tx, share_network))
    click.echo(f"default share network: {found.id} ({found.name})")


@default.command("unset")
@config_files
def unset_default(files: Files) -> None:
    """Designate none."""
    from abaca.share import public_networks  # noqa: PLC0415

    with files.database() as database, database.write() as tx:
        public_networks.undesignate(tx)
