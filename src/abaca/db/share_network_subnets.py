"""Share network subnets, and what the network sections found them to be."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import and_, delete, insert, or_, select, update

from abaca.db import segments as segment_rows
from abaca.db.database import Tx
from abaca.db.tables import allocations, now, segments, share_network_subnets, share_servers
from abaca.model.share_network import ShareNetworkSubnet
from abaca.network.plugin import Segment

BATCH = 500
"""IDs per statement: below the limit of variables of every database."""


def of_networks(tx: Tx, network_ids: Sequence[str]) -> dict[str, tuple[ShareNetworkSubnet, ...]]:
    """By share network, in the order they were made."""
    found: dict[str, tuple[ShareNetworkSubnet, ...]] = {}
    for start in range(0, len(network_ids), BATCH):
        batch = network_ids[start : start + BATCH]
        statement = (
            select(share_network_subnets)
            .where(share_network_subnets.c.share_network_id.in_(batch))
            .order_by(share_network_subnets.c.created_at, share_network_subnets.c.id)
        )
        for subnet in tx.all(ShareNetworkSubnet, statement):
            key = subnet.share_network_id
            found[key] = (*found.get(key, ()), subnet)
    return found


def segments_of(tx: Tx, keys: Sequence[str]) -> dict[str, tuple[Segment, ...]]:
    """What each subnet (by ID) is, once per network section that looked at it."""
    found: dict[str, tuple[Segment, ...]] = {}
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        statement = (
            select(segments).where(segments.c.subnet_key.in_(batch)).order_by(segments.c.section)
        )
        for row in tx.execute(statement):
            found[row.subnet_key] = (*found.get(row.subnet_key, ()), segment_rows.from_row(row))
    return found


def add(tx: Tx, subnet: ShareNetworkSubnet) -> None:
    """Write a new subnet."""
    row = {column.name: getattr(subnet, column.name) for column in share_network_subnets.c}
    tx.execute(insert(share_network_subnets).values({**row, "metadata": dict(subnet.metadata)}))


def change(tx: Tx, subnet_id: str, **values: object) -> None:
    """Set columns of the subnet."""
    where = share_network_subnets.c.id == subnet_id
    tx.execute(update(share_network_subnets).where(where).values(updated_at=now(), **values))


def remove(tx: Tx, subnet_id: str) -> None:
    """Delete the row; succeeds on unknown."""
    tx.execute(delete(share_network_subnets).where(share_network_subnets.c.id == subnet_id))


def servers_on(
    tx: Tx, network_id: str, keys: Collection[str], zone: str | None = None
) -> list[str]:
    """IDs of the network's share servers that use these subnets, or may be about to.

    Those with an interface there, and those that are being set up and have none
    yet. ``keys`` are subnet IDs, or the network's own for one without subnets.
    """
    has = select(allocations.c.share_server_id).where(allocations.c.subnet_key.in_(sorted(keys)))
    has_any = select(allocations.c.share_server_id)
    server = share_servers.c
    starting = and_(server.status == "creating", server.id.not_in(has_any.scalar_subquery()))
    where = [
        server.share_network_id == network_id,
        or_(server.id.in_(has.scalar_subquery()), starting),
    ]
    if zone is not None:
        where.append(server.availability_zone == zone)
    return list(tx.execute(select(server.id).where(*where).order_by(server.id)).scalars())
