"""A plugin that refuses in the middle of `forget`: what the server had is not lost sight of."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from worlds import MANAGED, PROJECT, flat_values, plugin_on, share_server

from abaca.db import allocations
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.errors import AllocationConflict, InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.bound import Binding, BoundManaged, BoundNetwork, flat_subnet, helper_for
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.network.plugin import Claim, IPAddress, Label, SubnetRef
from abaca.testing.ledger_world import LedgerWorld

FLAT = {**flat_values("10.10.0.10-10.10.0.20"), "ipv6_cidr": "fd00:10::/64"}
HELD = 2
"""Addresses of the server on each network."""


class Refusing:
    """A plugin that forgets so many claims and then must not go on, as often as it is told."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin
        self.after: int | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self.plugin, name)

    def forget(self, claims: Collection[Claim]) -> None:
        """The first of them."""
        self.plugin.forget(sorted(claims)[: self.after])
        if self.after is not None:
            raise InvalidNetwork("403: the rights were taken away")


class World:
    """A server's helper on a network of its own, what is taken there, and nobody's."""

    def __init__(self, database: Database, kind: str, label: Label = Label.USER) -> None:
        self.database, self.kind, self.label = database, kind, label
        self.mode = DriverMode.MANAGED if "managed" in kind else DriverMode.FLAT
        self.section = f"{kind}-{label}"
        self.cloud = FakeCloud()
        self.plugin = Refusing(self._plugin())

    def _plugin(self) -> object:
        if self.kind.startswith("fake"):
            cidrs = [ip_network("10.77.0.0/24"), ip_network("fd00:77::/64")]
            return FakePlugin(cidrs, self.mode, self.cloud, makes=True)
        values = FLAT if self.mode is DriverMode.FLAT else MANAGED
        return plugin_on(self.database, values, self.mode, section=self.section)

    def binding(self, server: str) -> Binding:
        """Of a share server."""
        managed = SubnetRef(key=f"of-{server}", project_id=PROJECT)
        return Binding(
            plugin=self.plugin,  # type: ignore[arg-type]
            database=self.database,
            section=self.section,
            server_id=server,
            subnets=(managed if self.mode is DriverMode.MANAGED else flat_subnet(self.section),),
            host="host1",
            label=self.label,
            patience=2,
        )

    def taken(self) -> set[str]:
        """Addresses that nobody gets, and networks: whosever they are."""
        if self.kind.startswith("fake"):
            ports = [str(a) for port in self.cloud.ports for a in port.allocation.addresses]
            return {*ports, *self.cloud.networks}
        left = LedgerWorld(database=self.database).left()
        ledger = DatabaseLedger(self.database)
        return {*left, *(str(a) for pool in ledger.pools("") for a in ledger.forgotten(pool))}


KINDS = ("fake flat", "fake managed", "standalone flat", "standalone managed")


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, database: Database) -> World:
    """With each plugin, in each mode."""
    return World(database, request.param)


def had(network: BoundNetwork) -> list[IPAddress]:
    """What it gives the driver."""
    if isinstance(network, BoundManaged):
        return [a.address for item in network.interfaces(HELD) for a in item.addresses]
    return [item.address for item in network.addresses(HELD)]  # type: ignore[attr-defined]


def rows(database: Database, server: str) -> int:
    """What is written of it."""
    with database.read() as tx:
        return len(allocations.of_server(tx, server))


@pytest.mark.parametrize("after", range(HELD + 1))
def test_then_it_is_deleted(world: World, after: int) -> None:
    """However far it came, twice, nothing is left: no address, no port, no network, no row."""
    before = world.taken()
    server = share_server(world.database)
    network = helper_for(world.mode, world.binding(server))
    assert {str(item) for item in had(network)} <= world.taken()
    world.plugin.after = after
    for _ in range(2):
        with pytest.raises(InvalidNetwork, match="403"):
            network.forget_all()
    assert rows(world.database, server) == HELD
    for _ in range(2):
        helper_for(world.mode, world.binding(server)).release_all()
    assert world.taken() == before
    assert rows(world.database, server) == 0


def test_then_it_is_kept(world: World) -> None:
    """Ensured again it has what it had, nobody got any of it meanwhile, and so it stays."""
    servers = [share_server(world.database) for _ in range(2)]
    network, other = (helper_for(world.mode, world.binding(item)) for item in servers)
    before = had(network)
    assert not network.outdated()
    world.plugin.after = 1
    with pytest.raises(InvalidNetwork):
        network.forget_all()
    assert network.outdated()
    if world.mode is DriverMode.FLAT:
        assert not set(had(other)) & set(before)
    assert had(network) == before
    assert not network.outdated()
    network.check()
    assert had(network) == before


def test_then_it_is_left_after_all(world: World) -> None:
    """Allowed again, the rest is forgotten too: no row, and all addresses are kept."""
    server = share_server(world.database)
    network = helper_for(world.mode, world.binding(server))
    had(network)
    before = world.taken()
    world.plugin.after = 1
    with pytest.raises(InvalidNetwork):
        network.forget_all()
    world.plugin.after = None
    network.forget_all()
    assert world.taken() == before
    assert rows(world.database, server) == 0


@pytest.mark.parametrize("side", [Label.USER, Label.ADMIN])
def test_on_the_other_network(database: Database, side: Label) -> None:
    """Refused on the tenant's or the administrators' network, both are released afterwards."""
    tenants = World(database, "standalone managed")
    admins = World(database, "fake flat", Label.ADMIN)
    server = share_server(database)
    binding = replace(tenants.binding(server), admin=admins.binding(server))
    network = helper_for(DriverMode.MANAGED, binding)
    had(network)
    assert network.admin is not None
    had(network.admin)
    (tenants if side is Label.USER else admins).plugin.after = 1
    with pytest.raises(InvalidNetwork, match="403"):
        network.forget_all()
    network.release_all()
    assert (tenants.taken(), admins.taken(), rows(database, server)) == (set(), set(), 0)


def test_what_another_adopted_meanwhile_is_theirs(world: World) -> None:
    """The server is removed without it: an address that was nobody's may have been adopted."""
    server, other = share_server(world.database), str(uuid.uuid4())
    network = helper_for(world.mode, world.binding(server))
    first, *_ = had(network)
    world.plugin.after = 1
    with pytest.raises(InvalidNetwork):
        network.forget_all()
    subnet = world.binding(server).subnets[0]
    claim = Claim(owner=other, label=Label.USER, subnet=subnet.key, index=0)
    world.plugin.adopt(subnet, {first: claim})  # type: ignore[operator]
    with pytest.raises(AllocationConflict):
        network.obtain(subnet, HELD)
    network.release_all()
    assert str(first) in world.taken()
    assert rows(world.database, server) == 0
