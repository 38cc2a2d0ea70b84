"""What a share network subnet turned out to be, by the network section that looked at it.

Rows are for people (the API shows them to administrators) and for the helper
when a network service doesn't answer; the plugin is the authority.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update

from abaca.db.database import Tx
from abaca.db.tables import segments
from abaca.network.plugin import NetworkType, Route, Segment, Subnet


def encode_subnets(subnets: Sequence[Subnet]) -> list[dict[str, object]]:
    """Subnets as the JSON columns keep them."""
    return [
        {
            "cidr": str(item.cidr),
            "gateway": None if item.gateway is None else str(item.gateway),
            "routes": [[str(route.destination), str(route.next_hop)] for route in item.routes],
        }
        for item in subnets
    ]


def decode_subnets(items: Sequence[Mapping[str, Any]]) -> tuple[Subnet, ...]:
    """What `encode_subnets` was given."""
    return tuple(
        Subnet(
            cidr=ip_network(item["cidr"]),
            gateway=None if item["gateway"] is None else ip_address(item["gateway"]),
            routes=tuple(
                Route(destination=ip_network(destination), next_hop=ip_address(next_hop))
                for destination, next_hop in item.get("routes", ())
            ),
        )
        for item in items
    )


def encode(segment: Segment) -> dict[str, Any]:
    """A segment as a JSON column, or the columns of a row, keep it."""
    return {
        "network_type": str(segment.network_type),
        "segmentation_id": segment.segmentation_id,
        "physical_network": segment.physical_network,
        "mtu": segment.mtu,
        "subnets": encode_subnets(segment.subnets),
    }


def decode(values: Mapping[str, Any]) -> Segment:
    """What `encode` was given."""
    return Segment(
        network_type=NetworkType(values["network_type"]),
        segmentation_id=values["segmentation_id"],
        physical_network=values["physical_network"],
        mtu=values["mtu"],
        subnets=decode_subnets(values["subnets"]),
    )


def from_row(row: Row[Any]) -> Segment:
    """The segment of a row that has its columns."""
    return decode({str(name): value for name, value in row._mapping.items()})  # noqa: SLF001 - documented


def record(tx: Tx, section: str, key: str, segment: Segment) -> None:
    """Keep what this section found the subnet to be; replaces what was known."""
    where = and_(segments.c.section == section, segments.c.subnet_key == key)
    row = tx.execute(select(segments).where(where)).one_or_none()
    if row is None:
        tx.execute(insert(segments).values(section=section, subnet_key=key, **encode(segment)))
    elif from_row(row) != segment:
        tx.execute(update(segments).where(where).values(**encode(segment)))


def discard(tx: Tx, section: str, key: str) -> None:
    """Nobody uses the subnet through this section any more."""
    tx.execute(delete(segments).where(segments.c.section == section, segments.c.subnet_key == key))


def of_subnet(tx: Tx, key: str) -> dict[str, Segment]:
    """What the subnet is, by section."""
    rows = tx.execute(select(segments).where(segments.c.subnet_key == key))
    return {row.section: from_row(row) for row in rows}
