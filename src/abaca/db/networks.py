"""Networks that an administrator registered for tenants, and those that plugins made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, or_, select

from abaca.db import address_gaps, segments
from abaca.db.addresses import lock_pools
from abaca.db.database import Database, Tx
from abaca.db.tables import made_networks, new_id, now, tenant_networks
from abaca.errors import (
    AddressesExhausted,
    Conflict,
    DatabaseUnavailable,
    NotFound,
    RowRefused,
)
from abaca.network import ipam
from abaca.network.plugin import (
    IPAddress,
    IPNetwork,
    MadeNetwork,
    NetworkPlan,
    Segment,
    Subnet,
    TenantNetwork,
)

ATTEMPTS = 5


class DatabaseRegistry:
    """`abaca.network.plugin.NetworkRegistry` on the database. Safe for threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tenant_network(self, project_id: str, net_id: str) -> TenantNetwork | None:
        """The registered network, by ID or name, if it is this project's."""
        where = and_(
            tenant_networks.c.project_id == project_id,
            or_(tenant_networks.c.id == net_id, tenant_networks.c.name == net_id),
        )
        with self._database.read() as tx:
            found = _tenant_networks(tx, where)
        # A name may look like another network's ID: the ID counts.
        return next((item for item in found if item.id == net_id), found[0] if found else None)

    def made(self, section: str, key: str) -> Segment | None:
        """The network that this section made for that subnet key, if any."""
        with self._database.read() as tx:
            return _made(tx, section, key)

    def made_by(self, section: str) -> list[MadeNetwork]:
        """Every network that this section made and has not given back."""
        statement = (
            select(made_networks)
            .where(made_networks.c.section == section)
            .order_by(made_networks.c.subnet_key)
        )
        with self._database.read() as tx:
            return [
                MadeNetwork(
                    key=row.subnet_key,
                    segment=segments.from_row(row),
                    made_at=row.created_at,
                )
                for row in tx.execute(statement)
            ]

    def make(self, section: str, key: str, plan: NetworkPlan) -> Segment:
        """Record the first network of the plan that collides with nobody's."""
        for _ in range(ATTEMPTS):
            try:
                with self._database.write() as tx:
                    return _made(tx, section, key) or _make(tx, section, key, plan)
            except RowRefused:
                continue
        raise DatabaseUnavailable(f"{section}: others were faster {ATTEMPTS} times")

    def unmake(self, section: str, key: str, pools: Collection[str]) -> bool:
        """Give it back, with these ledger pools, unless somebody holds an address of them."""
        with self._database.write() as tx:
            if _made(tx, section, key) is None:
                return True
            if lock_pools(tx, pools):
                return False
            address_gaps.drop(tx, pools)
            tx.execute(
                delete(made_networks).where(
                    made_networks.c.section == section, made_networks.c.subnet_key == key
                )
            )
            return True


def _made(tx: Tx, section: str, key: str) -> Segment | None:
    row = tx.execute(
        select(made_networks).where(
            made_networks.c.section == section, made_networks.c.subnet_key == key
        )
    ).one_or_none()
    return None if row is None else segments.from_row(row)


def _make(tx: Tx, section: str, key: str, plan: NetworkPlan) -> Segment:
    made = tx.execute(select(made_networks)).all()
    segment = Segment(
        network_type=plan.network_type,
        segmentation_id=_free_id(tx, section, plan, [segments.from_row(row) for row in made]),
        physical_network=plan.physical_network,
        mtu=plan.mtu,
        subnets=tuple(
            _carved(section, supernet, prefix, [*plan.avoid, *_cidrs(made, section)])
            for supernet, prefix in plan.supernets
        ),
    )
    cidrs = [str(item.cidr) for item in segment.subnets]
    tx.execute(
        insert(made_networks).values(
            section=section,
            subnet_key=key,
            wire=segment.wire,
            cidr=cidrs[0],
            second_cidr=cidrs[1] if len(cidrs) > 1 else None,
            created_at=now(),
            **segments.encode(segment),
        )
    )
    return segment


def _cidrs(made: Sequence[Row[Any]], section: str) -> list[IPNetwork]:
    return [
        subnet.cidr
        for row in made
        if row.section == section
        for subnet in segments.from_row(row).subnets
    ]


def _free_id(tx: Tx, section: str, plan: NetworkPlan, made: list[Segment]) -> int:
    """The first segmentation ID that no made and no registered network on such a wire has."""
    first, last = plan.segmentation_ids
    registered = [item.segment for item in _tenant_networks(tx)]
    probe = _wire(plan, first)
    taken = {
        item.segmentation_id
        for item in [*made, *registered]
        if item.segmentation_id is not None and item.wire == _wire(plan, item.segmentation_id)
    }
    found = ipam.first_free((first, last), taken)
    if found is None:
        raise AddressesExhausted(
            f"[{section}] segmentation_ids: all of {first}-{last} are used on {probe}",
            told="No network is left for a share server.",
        )
    return found


def _wire(plan: NetworkPlan, segmentation_id: int) -> str:
    return Segment(
        network_type=plan.network_type,
        segmentation_id=segmentation_id,
        physical_network=plan.physical_network,
        mtu=plan.mtu,
        subnets=(),
    ).wire


def _carved(section: str, supernet: IPNetwork, prefix: int, avoid: list[IPNetwork]) -> Subnet:
    cidr = ipam.carve(supernet, prefix, avoid)
    if cidr is None:
        raise AddressesExhausted(
            f"[{section}] no /{prefix} is left in {supernet}",
            told="No network is left for a share server.",
        )
    return Subnet(cidr=cidr, gateway=cidr[1])


def _tenant_networks(tx: Tx, where: ColumnElement[bool] | None = None) -> list[TenantNetwork]:
    statement = select(tenant_networks).order_by(
        tenant_networks.c.project_id, tenant_networks.c.name
    )
    rows = tx.execute(statement if where is None else statement.where(where))
    return [
        TenantNetwork(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            segment=segments.from_row(row),
            allocation_ranges=tuple(
                (ip_address(first), ip_address(last)) for first, last in row.allocation_ranges
            ),
        )
        for row in rows
    ]


def tenant_networks_of(database: Database, project_id: str | None = None) -> list[TenantNetwork]:
    """The registered networks of a project (None: of all), by project and name."""
    where = None if project_id is None else tenant_networks.c.project_id == project_id
    with database.read() as tx:
        return _tenant_networks(tx, where)


def add_tenant_network(
    database: Database,
    *,
    project_id: str,
    name: str,
    segment: Segment,
    allocation_ranges: Sequence[tuple[IPAddress, IPAddress]] = (),
) -> TenantNetwork:
    """Register a network of a project; Conflict if its name or its wire is another's."""
    with database.write() as tx:
        for other in _tenant_networks(tx):
            if other.project_id == project_id and other.name == name:
                raise Conflict(f"project {project_id} has a network {name} already: {other.id}")
        for row in tx.execute(select(made_networks).where(made_networks.c.wire == segment.wire)):
            raise Conflict(
                f"{segment.wire} is used by a network that [{row.section}] made; "
                "choose another segmentation ID, or take it out of segmentation_ids there"
            )
        found = TenantNetwork(
            id=new_id(),
            project_id=project_id,
            name=name,
            segment=segment,
            allocation_ranges=tuple(allocation_ranges),
        )
        tx.execute(
            insert(tenant_networks).values(
                id=found.id,
                project_id=project_id,
                name=name,
                allocation_ranges=[[str(a), str(b)] for a, b in found.allocation_ranges],
                created_at=now(),
                **segments.encode(segment),
            )
        )
    return found


def remove_tenant_network(database: Database, network_id: str) -> None:
    """Unregister; servers that are on it stay as they are. NotFound if there is no such ID."""
    with database.write() as tx:
        gone = tx.execute(delete(tenant_networks).where(tenant_networks.c.id == network_id))
        if gone.rowcount == 0:
            raise NotFound(f"no tenant network has the ID {network_id}")
