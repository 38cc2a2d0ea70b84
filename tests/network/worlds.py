"""Small worlds for the standalone and the fake plugin, as the conformance suite wants them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from sqlalchemy import insert

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry, add_tenant_network, remove_tenant_network
from abaca.errors import NetworkUnavailable
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
from abaca.testing.ledger_world import LedgerWorld
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


def url_of(database: Database) -> str:
    """Where another process finds the same database."""
    return database.engine.url.render_as_string(hide_password=False)


def left_in(database: Database, fabric: RecordingFabric) -> list[str]:
    """Addresses, networks and routers that are there."""
    return LedgerWorld(database=database, fabric=fabric).left()


def standalone_subject(
    database: Database,
    values: Mapping[str, object],
    mode: DriverMode,
    *,
    capacity: int,
    tenant: TenantNetwork | None = None,
    cls: type[StandalonePlugin] = StandalonePlugin,
) -> Subject:
    """A standalone section, on a tenant network or (None) flat or with networks of its own."""
    flat = mode is DriverMode.FLAT

    def vanish() -> None:
        if tenant is not None:
            remove_tenant_network(database, tenant.id)

    return LedgerWorld(database=database).subject(
        cls,
        values,
        mode,
        capacity=capacity,
        net_id=tenant.id if tenant is not None else None,
        vanish=vanish,
        wrong_net_id=None if flat else "no-such-network",
        wrong_values={"gateway": "10.10.0.1"} if flat else {"connectivity": "winding"},
    )


def fake_subject(
    mode: DriverMode,
    cidrs: list[str],
    *,
    capacity: int,
    net_id: str | None,
    cls: type[FakePlugin] = FakePlugin,
) -> Subject:
    """A fake section with a cloud of its own."""
    power, section = Power(), f"fake-{uuid.uuid4()}"
    lent: Any = _Unused()
    host = PluginHost(name="host1", mode=mode, ledger=lent, registry=lent, fabric=None)

    def make(values: Mapping[str, object]) -> FakePlugin:
        plugin = cls.from_config(section, values, host)
        plugin.cloud.after = power.tick
        return plugin

    values: dict[str, object] = {"cidrs": cidrs}
    wrong_values: dict[str, object] = {"cidrs": []}
    flat = mode is DriverMode.FLAT
    cloud = make(values).cloud
    subnet = SubnetRef(key=section)
    if not flat:
        subnet = SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id=net_id)

    def lose(found: Allocation) -> None:
        cloud.ports = [item for item in cloud.ports if item.claim != found.claim]

    def places(found: Allocation) -> list[str]:
        port = cloud.port(found.claim)
        assert port is not None
        return [host for host in (port.host, port.coming) if host is not None]

    @contextmanager
    def down() -> Iterator[FakePlugin]:
        with cloud.failing(NetworkUnavailable("nobody answers")):
            yield make(values)

    return Subject(
        make=lambda: make(values),
        mode=mode,
        subnet=subnet,
        capacity=capacity,
        wrong=lambda: (make(wrong_values if flat else values), replace(subnet, net_id=MISSING)),
        wrong_values=wrong_values,
        power=power,
        lose=lose,
        vanish=lambda: None,
        left=lambda: [
            *(str(item.allocation.id) for item in cloud.ports if item.claim is not None),
            *(key for key in cloud.networks if key.startswith("made:")),
        ],
        faults={"down": down},
        places=places,
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
