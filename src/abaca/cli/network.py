"""`abaca network`: networks of tenants, and who uses what."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

import click

from abaca.cli.addresses import foreign, usage
from abaca.cli.default_network import default
from abaca.cli.joining import join, leave
from abaca.cli.options import Files, config_files, output_format
from abaca.cli.orphans import orphans
from abaca.cli.output import show, show_one
from abaca.errors import BadRequest, InvalidNetwork

if TYPE_CHECKING:
    from abaca.db.database import Database
    from abaca.network.plugin import Subnet, TenantNetwork

ETHERNET_MTU = 1500
TUNNEL_OVERHEAD = 50
TUNNELS = ("vxlan", "gre", "geneve")
TYPES = ("vlan", "vxlan", "flat", "gre", "geneve")


@click.group()
def network() -> None:
    """Networks of tenants, and who uses what."""


network.add_command(default)
network.add_command(foreign)
network.add_command(join)
network.add_command(leave)
network.add_command(orphans)
network.add_command(usage)


@network.group()
def tenant() -> None:
    """Networks that tenants have, registered for the standalone plugin.

    A share network names one of them by name or ID in its neutron_net_id; in
    managed_multi_svm its share servers are then put on it, or joined with it by a router.
    """


@tenant.command("add")
@config_files
@click.option("--project", required=True, help="Name or ID of the project whose network it is.")
@click.option("--name", required=True, help="Its name, unique in the project.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(TYPES),
    required=True,
    help="What it is on the wire.",
)
@click.option("--segmentation-id", type=int, help="VLAN ID or VNI.")
@click.option("--physical-network", help="Name of the physical network, for vlan and flat.")
@click.option(
    "--cidr", "cidrs", multiple=True, required=True, help="Its subnet; twice for both IP versions."
)
@click.option("--gateway", "gateways", multiple=True, help="Its router's address, per subnet.")
@click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="'CIDR via ROUTER'",
    help="A route that share servers on it need besides its gateway; may be repeated.",
)
@click.option("--mtu", type=int, help="Bytes per packet; 1500, in tunnels 1450, by default.")
@click.option(
    "--allocation-range",
    "ranges",
    multiple=True,
    metavar="FIRST-LAST",
    help="Addresses that Abaca may give to share servers; may be repeated. All by default.",
)
@output_format
def add_tenant(  # noqa: PLR0917 - click hands over one argument per option
    files: Files,
    project: str,
    name: str,
    kind: str,
    segmentation_id: int | None,
    physical_network: str | None,
    cidrs: tuple[str, ...],
    gateways: tuple[str, ...],
    routes: tuple[str, ...],
    mtu: int | None,
    ranges: tuple[str, ...],
    output: str,
) -> None:
    """Register a network of a project."""
    from abaca.db import networks  # noqa: PLC0415 - `abaca --help` must be quick
    from abaca.network.plugin import NetworkType, Segment  # noqa: PLC0415

    if (segmentation_id is None) is not (kind == "flat"):
        raise click.UsageError(
            f"--segmentation-id: {kind} has {'none' if kind == 'flat' else 'one'}"
        )
    segment = Segment(
        network_type=NetworkType(kind),
        segmentation_id=segmentation_id,
        physical_network=physical_network,
        mtu=mtu or ETHERNET_MTU - (TUNNEL_OVERHEAD if kind in TUNNELS else 0),
        subnets=_with_routes(_subnets(cidrs, gateways), routes),
    )
    with files.database() as database:
        found = networks.add_tenant_network(
            database,
            project_id=_project_id(database, project),
            name=name,
            segment=segment,
            allocation_ranges=_ranges(ranges),
        )
    show_one(_row(found), output)


def _subnets(cidrs: Sequence[str], gateways: Sequence[str]) -> tuple[Subnet, ...]:
    from abaca.network.plugin import Subnet  # noqa: PLC0415

    try:
        networks = [ip_network(text) for text in cidrs]
        routers = [ip_address(text) for text in gateways]
    except ValueError as error:
        raise BadRequest(f"{error}; write --cidr 10.0.0.0/24 --gateway 10.0.0.1") from error
    if len({item.version for item in networks}) != len(networks):
        raise BadRequest("--cidr: give one per IP version at most")
    for router in routers:
        if not any(router in item for item in networks):
            raise BadRequest(f"--gateway {router} is not inside {', '.join(map(str, networks))}")
    return tuple(
        Subnet(cidr=item, gateway=next((router for router in routers if router in item), None))
        for item in networks
    )


def _with_routes(subnets: Sequence[Subnet], texts: Sequence[str]) -> tuple[Subnet, ...]:
    from abaca.network.standalone_flat import route_of, with_routes  # noqa: PLC0415

    try:
        return tuple(with_routes(subnets, [route_of(text) for text in texts]))
    except InvalidNetwork as error:
        raise BadRequest(f"--route: {error}") from error


def _ranges(
    texts: Sequence[str],
) -> list[tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]]:
    from abaca.network.ipam import parse_range  # noqa: PLC0415

    return [parse_range(text) for text in texts]


def _project_id(database: Database, project: str) -> str:
    """The ID of a project of the builtin identity; anything else is taken as an ID (Keystone's)."""
    from sqlalchemy import or_, select  # noqa: PLC0415

    from abaca.db.tables import projects  # noqa: PLC0415

    where = or_(projects.c.name == project, projects.c.id == project)
    with database.read() as tx:
        found = tx.scalar(select(projects.c.id).where(where))
    return str(found or project)


COLUMNS = ("id", "project_id", "name", "segment", "cidrs", "gateways", "routes", "ranges", "mtu")


def _row(found: TenantNetwork) -> dict[str, object]:
    subnets = found.segment.subnets
    return {
        "id": found.id,
        "project_id": found.project_id,
        "name": found.name,
        "segment": found.segment.wire,
        "cidrs": ", ".join(str(item.cidr) for item in subnets),
        "gateways": ", ".join(str(item.gateway) for item in subnets if item.gateway),
        "routes": ", ".join(
            f"{route.destination} via {route.next_hop}" for item in subnets for route in item.routes
        ),
        "ranges": ", ".join(f"{first}-{last}" for first, last in found.allocation_ranges) or "all",
        "mtu": found.segment.mtu,
    }


@tenant.command("list")
@config_files
@click.option("--project", help="Name or ID: only this project's.")
@output_format
def list_tenants(files: Files, project: str | None, output: str) -> None:
    """List the registered networks."""
    from abaca.db import networks  # noqa: PLC0415

    with files.database() as database:
        project_id = _project_id(database, project) if project else None
        found = networks.tenant_networks_of(database, project_id)
    show([_row(item) for item in found], COLUMNS, output)


@tenant.command("remove")
@config_files
@click.argument("network_id")
def remove_tenant(files: Files, network_id: str) -> None:
    """Forget a registered network. Share servers that are on it stay as they are."""
    from abaca.db import networks  # noqa: PLC0415

    with files.database() as database:
        networks.remove_tenant_network(database, network_id)
