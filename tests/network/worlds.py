"""Small worlds for the standalone and the fake plugin, as the conformance suite wants them."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from ipaddress import ip_network

from sqlalchemy import delete, event, insert, select

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry, add_tenant_network, remove_tenant_network
from abaca.modes import DriverMode
from abaca.network.fake import MISSING, FakePlugin
from abaca.network.plugin import (
    Allocation,
    NetworkType,
    PluginHost,
    Segment,
    Subnet,
    SubnetRef,
    TenantNetwork,
)
from abaca.network.standalone import StandalonePlugin
from abaca.testing.network_suite import Subject
from abaca.testing.power import Power
from abaca.testing.recording_fabric import RecordingFabric

PROJECT = "project1"
MANAGED = {
    "service_cidr": "10.254.0.0/16",
    "service_prefix": 28,
    "segmentation_ids": "2000-2999",
    "mtu": 1400,
}


def flat_values(*ranges: str) -> dict[str, object]:
    """The flat section of the examples, with these ranges."""
    return {"gateway": "10.10.0.1", "mask": "24", "allowed_ip_ranges": list(ranges)}


def segment(*cidrs: str, number: int = 100) -> Segment:
    """A tenant's VXLAN with these subnets, gateways first."""
    nets = [ip_network(item) for item in cidrs]
    return Segment(
        network_type=NetworkType.VXLAN,
        segmentation_id=number,
        physical_network=None,
        mtu=1450,
        subnets=tuple(Subnet(cidr=item, gateway=item[1]) for item in nets),
    )


def register(database: Database, found: Segment, name: str = "net1") -> TenantNetwork:
    """Register a tenant network of the test project."""
    return add_tenant_network(database, project_id=PROJECT, name=name, segment=found)


def plugin_on(
    database: Database,
    values: Mapping[str, object],
    mode: DriverMode,
    *,
    section: str = "net",
    fabric: RecordingFabric | None = None,
    power: Power | None = None,
) -> StandalonePlugin:
    """An instance as the manager makes it; with ``power``, its every call outside ticks."""
    power = power or Power()
    host = PluginHost(
        name="host1",
        mode=mode,
        ledger=power.wired(DatabaseLedger(database)),
        registry=power.wired(DatabaseRegistry(database)),
        fabric=None if fabric is None else power.wired(fabric),
    )
    return StandalonePlugin.from_config(section, values, host)


def in_process(url: str, values: Mapping[str, object], mode: DriverMode) -> StandalonePlugin:
    """As another process of the service has it."""
    return plugin_on(Database(url), values, mode, fabric=RecordingFabric())


def without_sync(database: Database) -> None:
    """Don't wait for the disk: a killed process loses nothing by it, only a machine would."""
    event.listen(
        database.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous = OFF")
    )


def url_of(database: Database) -> str:
    """Where another process finds the same database."""
    return database.engine.url.render_as_string(hide_password=False)


def left_in(database: Database, fabric: RecordingFabric) -> list[str]:
    """Addresses, networks and routers that are there."""
    with database.read() as tx:
        held = tx.execute(
            select(tables.addresses.c.address).where(tables.addresses.c.owner.is_not(None))
        ).scalars()
        made = tx.execute(select(tables.made_networks.c.wire)).scalars()
        return [*held, *made, *fabric.routers()]


def standalone_subject(
    database: Database,
    values: Mapping[str, object],
    mode: DriverMode,
    *,
    capacity: int,
    tenant: TenantNetwork | None = None,
) -> Subject:
    """A standalone section, on a tenant network or (None) flat or with networks of its own."""
    fabric, power = RecordingFabric(), Power()
    flat = mode is DriverMode.FLAT
    key = "net" if flat else str(uuid.uuid4())
    subnet = SubnetRef(
        key=key, project_id=PROJECT, net_id=tenant.id if tenant is not None else None
    )

    def lose(found: Allocation) -> None:
        with database.write() as tx:
            tx.execute(
                delete(tables.addresses).where(
                    tables.addresses.c.owner == found.claim.owner,
                    tables.addresses.c.address == str(found.addresses[0]),
                )
            )

    def vanish() -> None:
        if tenant is not None:
            remove_tenant_network(database, tenant.id)

    return Subject(
        make=lambda: plugin_on(database, values, mode, fabric=fabric, power=power),
        subnet=subnet,
        capacity=capacity,
        wrong=SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id="no-such-network"),
        power=power,
        lose=lose,
        vanish=vanish,
        left=lambda: left_in(database, fabric),
        in_process=functools.partial(in_process, url_of(database), dict(values), mode),
    )


def fake_subject(
    mode: DriverMode, cidrs: list[str], *, capacity: int, net_id: str | None
) -> Subject:
    """A fake section with a cloud of its own."""
    power, section = Power(), f"fake-{uuid.uuid4()}"
    host = PluginHost(
        name="host1",
        mode=mode,
        ledger=_Unused(),
        registry=_Unused(),
        fabric=None,  # type: ignore[arg-type]
    )

    def make() -> FakePlugin:
        plugin = FakePlugin.from_config(section, {"cidrs": cidrs}, host)
        plugin.cloud.after = power.tick
        return plugin

    cloud = make().cloud

    def lose(found: Allocation) -> None:
        cloud.ports = [item for item in cloud.ports if item.claim != found.claim]

    return Subject(
        make=make,
        subnet=SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id=net_id),
        capacity=capacity,
        wrong=SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id=MISSING),
        power=power,
        lose=lose,
        vanish=lambda: None,
        left=lambda: [
            *(str(item.allocation.id) for item in cloud.ports if item.claim is not None),
            *(key for key in cloud.networks if key.startswith("made:")),
        ],
    )


class _Unused:
    """The fake needs nothing of its host."""


def share_server(database: Database, project: str = PROJECT) -> str:
    """A row that allocations can hang on; its ID."""
    network, server = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = tables.now()
    with database.write() as tx:
        tx.execute(
            insert(tables.share_networks).values(
                id=network, project_id=project, status="active", is_public=False, created_at=stamp
            )
        )
        tx.execute(
            insert(tables.share_servers).values(
                id=server,
                project_id=project,
                share_network_id=network,
                host="host1@backend1",
                availability_zone="nova",
                status="creating",
                next_export_id=1,
                details={},
                created_at=stamp,
            )
        )
    return server
