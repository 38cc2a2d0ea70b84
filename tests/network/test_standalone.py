"""What the standalone plugin does beyond what every plugin must."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from worlds import (
    MANAGED,
    PROJECT,
    flat_values,
    left_in,
    plugin_on,
    register,
    segment,
)

from abaca.db.database import Database
from abaca.db.networks import (
    DatabaseRegistry,
    add_tenant_network,
    remove_tenant_network,
    tenant_networks_of,
)
from abaca.errors import AddressesExhausted, Conflict, InvalidNetwork, NetworkNotFound
from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.network.standalone import StandalonePlugin
from abaca.network.standalone_networks import digest
from abaca.testing.recording_fabric import RecordingFabric

ROUTED = {**MANAGED, "connectivity": "routed"}
LATER = timedelta(hours=1)


def _claim(subnet: SubnetRef) -> Claim:
    return Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet=subnet.key, index=0)


def _ref(net_id: str | None = None) -> SubnetRef:
    return SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id=net_id)


def _one(plugin: StandalonePlugin, subnet: SubnetRef) -> str:
    plugin.ensure_network(subnet, host="host1")
    return str(plugin.allocate(subnet, [_claim(subnet)], host="host1")[0].addresses[0])


def _flat(database: Database, section: str, *ranges: str) -> StandalonePlugin:
    return plugin_on(database, flat_values(*ranges), DriverMode.FLAT, section=section)


def test_backends_on_one_section_share_its_ledger(database: Database) -> None:
    """Three backends that name flat1, each with an instance of its own, never give one twice."""
    backends = [_flat(database, "flat1", "10.10.0.10-10.10.0.39") for _ in range(3)]
    subnet = SubnetRef(key="flat1")
    given = [_one(plugin, subnet) for _ in range(10) for plugin in backends]
    assert len(set(given)) == 30
    with pytest.raises(AddressesExhausted):
        _one(backends[0], subnet)


def test_sections_with_one_cidr_do_not_block_each_other(database: Database) -> None:
    """The same CIDR on different wires: each section has all of its addresses."""
    for section in ("flat1", "flat2"):
        plugin = _flat(database, section, "10.10.0.10-10.10.0.12")
        given = [_one(plugin, SubnetRef(key=section)) for _ in range(3)]
        assert given == ["10.10.0.10", "10.10.0.11", "10.10.0.12"]


def test_ranges_changed_while_in_use(database: Database) -> None:
    """What is held stays and is never given twice; new addresses come from the new ranges."""
    subnet = SubnetRef(key="flat1")
    old = _flat(database, "flat1", "10.10.0.10-10.10.0.13")
    claims = [_claim(subnet) for _ in range(3)]
    held = old.allocate(subnet, claims, host="host1")
    new = _flat(database, "flat1", "10.10.0.12-10.10.0.15")
    assert [item.addresses for item in new.allocate(subnet, claims, host="host1")] == [
        item.addresses for item in held
    ]
    new.check(held)
    assert [_one(new, subnet) for _ in range(3)] == ["10.10.0.13", "10.10.0.14", "10.10.0.15"]
    with pytest.raises(AddressesExhausted):
        _one(new, subnet)
    new.release([claims[0]])
    with pytest.raises(AddressesExhausted):
        _one(new, subnet)
    new.release([claims[2]])
    assert _one(new, subnet) == "10.10.0.12"


def test_mask_changed_while_in_use(database: Database) -> None:
    """A section that becomes a larger network keeps its ledger."""
    subnet = SubnetRef(key="flat1")
    first = _one(_flat(database, "flat1", "10.10.0.10-10.10.0.13"), subnet)
    wider = plugin_on(
        database,
        {**flat_values("10.10.0.10-10.10.1.13"), "mask": "16"},
        DriverMode.FLAT,
        section="flat1",
    )
    assert _one(wider, subnet) != first


def test_sections_on_one_tenant_network_share_its_ledger(database: Database) -> None:
    """Two backends with sections of their own put servers on one wire: no address twice."""
    tenant = register(database, segment("192.168.5.0/28"))
    plugins = [
        plugin_on(database, {}, DriverMode.MANAGED, section=section) for section in ("m1", "m2")
    ]
    subnet = _ref(tenant.id)
    given = [_one(plugin, subnet) for _ in range(6) for plugin in plugins]
    assert len(set(given)) == 12


def test_tenant_networks_are_found_by_id_and_name_within_the_project(database: Database) -> None:
    """Somebody else's network is as good as none."""
    tenant = register(database, segment("192.168.5.0/28"))
    plugin = plugin_on(database, {}, DriverMode.MANAGED)
    for name in (tenant.id, "net1"):
        assert plugin.describe(_ref(name)) == tenant.segment
        with pytest.raises(NetworkNotFound, match="abaca network tenant add"):
            plugin.describe(replace(_ref(name), project_id="project2"))


def test_allocation_ranges_of_a_tenant_network(database: Database) -> None:
    """Where the administrator left room for share servers, they stay in it."""
    plugin = plugin_on(database, {}, DriverMode.MANAGED)
    tenant = add_tenant_network(
        database,
        project_id=PROJECT,
        name="net2",
        segment=segment("192.168.5.0/24"),
        allocation_ranges=[(ip_address("192.168.5.200"), ip_address("192.168.5.201"))],
    )
    assert {_one(plugin, _ref(tenant.id)) for _ in range(2)} == {"192.168.5.200", "192.168.5.201"}
    with pytest.raises(AddressesExhausted):
        _one(plugin, _ref(tenant.id))


def test_routed_joins_tenant_and_service_network(database: Database) -> None:
    """Server, router and tenant lead to each other: every hop is in the network it is used in."""
    fabric = RecordingFabric()
    tenant = register(database, segment("192.168.5.0/24"))
    plugin = plugin_on(database, ROUTED, DriverMode.MANAGED, fabric=fabric)
    subnet = _ref(tenant.id)
    address = ip_address(_one(plugin, subnet))
    service = plugin.describe(subnet)
    (name,) = fabric.routers()
    first, second = fabric.legs[name]
    assert first.segment == tenant.segment
    assert second.segment.wire == service.wire
    assert address in service.subnets[0].cidr
    assert second.addresses == (service.subnets[0].gateway,)
    assert service.subnets[0].gateway != address
    (route,) = service.subnets[0].routes
    assert (route.destination, route.next_hop) == (
        tenant.segment.subnets[0].cidr,
        second.addresses[0],
    )
    (back,) = plugin.tenant_routes(subnet)
    assert (back.destination, back.next_hop) == (service.subnets[0].cidr, first.addresses[0])
    assert back.next_hop not in (tenant.segment.subnets[0].gateway, address)


def test_routed_dual_stack_follows_the_tenant(database: Database) -> None:
    """A tenant network with one IP version gets a service network with that one."""
    values = {**ROUTED, "ipv6_service_cidr": "fd00:254::/48"}
    plugin = plugin_on(database, values, DriverMode.MANAGED, fabric=RecordingFabric())
    both = register(database, segment("192.168.5.0/24", "fd00:5::/64"), "both")
    six = register(database, segment("fd00:6::/64", number=101), "six")
    four = register(database, segment("192.168.6.0/24", number=102), "four")
    for tenant, versions in ((both, [4, 6]), (six, [6]), (four, [4])):
        subnet = _ref(tenant.id)
        _one(plugin, subnet)
        assert [item.cidr.version for item in plugin.describe(subnet).subnets] == versions
    only_four = plugin_on(
        database, ROUTED, DriverMode.MANAGED, section="four", fabric=RecordingFabric()
    )
    with pytest.raises(InvalidNetwork, match="IP version"):
        _one(only_four, _ref(six.id))


def test_routed_avoids_the_tenants_cidr(database: Database) -> None:
    """A tenant whose network overlaps the supernet gets a service network beside it."""
    plugin = plugin_on(database, ROUTED, DriverMode.MANAGED, fabric=RecordingFabric())
    tenant = register(database, segment("10.254.0.0/24"))
    subnet = _ref(tenant.id)
    _one(plugin, subnet)
    assert not plugin.describe(subnet).subnets[0].cidr.overlaps(ip_network("10.254.0.0/24"))


def test_routed_without_wires(database: Database) -> None:
    """A driver without wires can't be routed to, and status says so before anything is tried."""
    plugin = plugin_on(database, ROUTED, DriverMode.MANAGED)
    with pytest.raises(InvalidNetwork, match="connectivity = direct"):
        plugin.status()


def test_segmentation_ids_are_used_once(database: Database) -> None:
    """Neither another section nor a registered tenant network shares a wire with ours."""
    register(database, segment("192.168.5.0/24", number=2000))
    plugins = [
        plugin_on(
            database,
            {**MANAGED, "segmentation_ids": "2000-2004"},
            DriverMode.MANAGED,
            section=section,
        )
        for section in ("m1", "m2")
    ]
    subnets = [_ref() for _ in range(4)]
    for number, subnet in enumerate(subnets):
        plugins[number % 2].ensure_network(subnet, host="host1")
    ids = {plugins[n % 2].describe(item).segmentation_id for n, item in enumerate(subnets)}
    assert ids == {2001, 2002, 2003, 2004}
    with pytest.raises(AddressesExhausted, match="2000-2004"):
        plugins[0].ensure_network(_ref(), host="host1")
    plugins[1].remove_network(subnets[1], host="host1")
    plugins[0].ensure_network(late := _ref(), host="host1")
    assert plugins[0].describe(late).segmentation_id == 2002


def test_supernet_is_used_up(database: Database) -> None:
    """Subnets are handed out once and given back."""
    values = {**MANAGED, "service_cidr": "10.254.0.0/27"}
    plugin = plugin_on(database, values, DriverMode.MANAGED)
    subnets = [_ref(), _ref()]
    for subnet in subnets:
        plugin.ensure_network(subnet, host="host1")
    with pytest.raises(AddressesExhausted, match="no /28 is left"):
        plugin.ensure_network(_ref(), host="host1")
    plugin.remove_network(subnets[0], host="host1")
    plugin.ensure_network(late := _ref(), host="host1")
    assert str(plugin.describe(late).subnets[0].cidr) == "10.254.0.0/28"


def test_a_made_wire_cannot_be_registered(database: Database) -> None:
    """An administrator who registers a VNI that we use is told who uses it."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED, section="m1")
    plugin.ensure_network(_ref(), host="host1")
    with pytest.raises(Conflict, match="m1"):
        register(database, segment("192.168.5.0/24", number=2000))


def test_registering_tenant_networks(database: Database) -> None:
    """A name is unique in its project, and what is unregistered is gone."""
    tenant = register(database, segment("192.168.5.0/24"))
    with pytest.raises(Conflict, match="net1"):
        register(database, segment("192.168.6.0/24", number=101))
    assert tenant_networks_of(database, PROJECT) == [tenant]
    remove_tenant_network(database, tenant.id)
    assert tenant_networks_of(database) == []


def test_network_in_use_is_not_removed(database: Database) -> None:
    """`remove_network` leaves a network that somebody holds an address of."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED)
    subnet = _ref()
    _one(plugin, subnet)
    before = plugin.describe(subnet)
    plugin.remove_network(subnet, host="host1")
    assert plugin.describe(subnet) == before


def test_unmake_refuses_what_is_held(database: Database) -> None:
    """The last word is the database's: an address taken just before keeps the network."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED, section="m1")
    subnet = _ref()
    _one(plugin, subnet)
    registry = DatabaseRegistry(database)
    assert registry.unmake("m1", subnet.key, [f"made:m1/{subnet.key}/4"]) is False
    assert registry.unmake("m1", "unknown", []) is True


def test_subnet_without_ids_needs_a_plan(database: Database) -> None:
    """A section that makes no networks says what is missing, to administrator and tenant."""
    plugin = plugin_on(database, {}, DriverMode.MANAGED)
    assert not plugin.makes_networks()
    with pytest.raises(InvalidNetwork, match="segmentation_ids") as caught:
        plugin.ensure_network(_ref(), host="host1")
    assert "neutron_net_id" in caught.value.told


def test_machines_join_and_leave(database: Database) -> None:
    """A machine gets an address beside the server's, the same twice, and keeps the network up."""
    fabric = RecordingFabric()
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED, fabric=fabric)
    subnet = _ref()
    joined = plugin.join(subnet, netns="tenant1", interface="eth9")
    assert plugin.join(subnet, netns="tenant1", interface="eth9") == joined
    other = plugin.join(subnet, netns="tenant2", interface="eth9")
    server = _one(plugin, subnet)
    wire = plugin.describe(subnet).wire
    assert len({joined[0].partition("/")[0], other[0].partition("/")[0], server}) == 3
    assert fabric.plugs["tenant1", "eth9"] == (wire, joined)
    plugin.collect([], datetime.now(UTC) + LATER)
    plugin.remove_network(subnet, host="host1")
    assert plugin.describe(subnet).wire == wire
    for netns in ("tenant1", "tenant2", "tenant2"):
        plugin.leave(subnet, netns=netns, interface="eth9")
    assert fabric.plugs == {}
    assert left_in(database, fabric) == []


def test_bridges_join_and_leave(database: Database) -> None:
    """Each machine behind a bridge gets an address, the same again; all go with the bridge."""
    fabric = RecordingFabric()
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED, fabric=fabric)
    subnet, other = _ref(), _ref()
    first = plugin.join_bridge(subnet, bridge="br1", machines=2)
    more = plugin.join_bridge(subnet, bridge="br1", machines=3)
    assert more[:2] == first
    second = plugin.join_bridge(subnet, bridge="br2", machines=1)
    (named,) = plugin.join(subnet, netns="br1", interface="eth9")
    addresses = [*(item for (item,) in (*more, *second)), named]
    assert len(set(addresses)) == 5
    wire = plugin.describe(subnet).wire
    assert fabric.bridges == {"br1": wire, "br2": wire}
    with pytest.raises(InvalidNetwork, match="joined"):
        plugin.join_bridge(other, bridge="br1", machines=1)
    plugin.leave_bridge(other, bridge="br1")
    plugin.collect([], datetime.now(UTC) + LATER)
    assert plugin.join_bridge(subnet, bridge="br1", machines=3) == more
    for bridge in ("br1", "br2", "br2"):
        plugin.leave_bridge(subnet, bridge=bridge)
    assert fabric.bridges == {}
    assert plugin.describe(subnet).wire == wire
    plugin.leave(subnet, netns="br1", interface="eth9")
    assert left_in(database, fabric) == []


def test_collect_removes_networks_and_routers(database: Database) -> None:
    """A network that nobody is on and a router without one go; young and used ones stay."""
    fabric = RecordingFabric()
    tenant = register(database, segment("192.168.5.0/24"))
    plugin = plugin_on(database, ROUTED, DriverMode.MANAGED, fabric=fabric)
    used, unused = _ref(tenant.id), _ref(tenant.id)
    claim = _claim(used)
    for subnet in (used, unused):
        plugin.ensure_network(subnet, host="host1")
    plugin.allocate(used, [claim], host="host1")
    (kept,) = {name for name in fabric.routers() if name.endswith(_digest(used))}
    lost = kept.partition("-")[0] + "-0123456789abcdef"
    fabric.ensure_router(lost, fabric.legs[kept])
    fabric.ensure_router("somebody-elses", fabric.legs[kept])
    later = datetime.now(UTC) + LATER
    told = plugin.orphans([claim], later)
    assert plugin.orphans([claim], datetime.now(UTC) - LATER) == [f"router {lost}"]
    network = f"network {plugin.describe(unused).wire} of {unused.key}@host1"
    assert told == [network, f"router {lost}"]
    assert len(plugin.orphans([], later)) == 4
    assert plugin.orphans([claim], later) == told
    assert plugin.collect([claim], datetime.now(UTC) - LATER) == [f"router {lost}"]
    assert len(plugin.collect([claim], datetime.now(UTC) + LATER)) == 1
    assert fabric.routers() == sorted([kept, "somebody-elses"])
    assert plugin.describe(used)
    with pytest.raises(NetworkNotFound):
        plugin.describe(unused)


def _digest(subnet: SubnetRef) -> str:
    return digest(f"{subnet.key}@host1", 16)
