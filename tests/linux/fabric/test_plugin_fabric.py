"""The fabric as network plugins see it: segments in, network errors out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from fabric_stage import Site, Stage

from abaca.drivers.fabric import HostFabric, wire_of
from abaca.errors import InvalidNetwork, NetworkUnavailable
from abaca.network.plugin import Fabric, NetworkType, RouterLeg, Segment, Subnet
from abaca.testing.netns import bridge, join
from abaca.testing.world import left_behind

pytestmark = pytest.mark.dataplane


def segment(vni: int, *cidrs: str, kind: NetworkType = NetworkType.VXLAN) -> Segment:
    """A segment with these subnets."""
    return Segment(
        network_type=kind,
        segmentation_id=vni,
        physical_network=None,
        mtu=1450,
        subnets=tuple(Subnet(cidr=ip_network(text), gateway=None) for text in cidrs),
    )


TENANT = segment(301, "10.5.0.0/24", "fd00:5::/64")
SERVICE = segment(302, "10.254.0.0/28", "fd00:254::/64")


@pytest.fixture
def site(stage: Stage) -> Site:
    """A host with an address for VXLAN."""
    host = stage.machine("host")
    bridge(host, "underlay", "10.99.0.1/24")
    return stage.site(host, vxlan_local=ip_address("10.99.0.1"))


@pytest.fixture
def fabric(site: Site) -> Fabric:
    """What a plugin gets."""
    return HostFabric(site.fabric)


def test_plug_route_and_take_away(stage: Stage, site: Site, fabric: Fabric) -> None:
    """A plugged machine reaches one on another segment by a router with prefixes of the subnets."""
    before = site.world()
    tenant, server = stage.machine("tenant"), stage.machine("server")
    legs = [
        RouterLeg(segment=TENANT, addresses=(ip_address("10.5.0.254"), ip_address("fd00:5::fe"))),
        RouterLeg(segment=SERVICE, addresses=(ip_address("10.254.0.1"), ip_address("fd00:254::1"))),
    ]

    def build() -> list[str]:
        fabric.plug(
            TENANT,
            netns=tenant.name,
            interface="eth0",
            addresses=("10.5.0.9/24",),
            gateway="10.5.0.254",
        )
        fabric.plug(
            SERVICE,
            netns=server.name,
            interface="eth0",
            addresses=("10.254.0.5/28",),
            gateway="10.254.0.1",
        )
        fabric.ensure_router("r1", legs)
        return fabric.routers()

    def clear() -> list[str]:
        fabric.remove_router("r1")
        fabric.unplug(TENANT, netns=tenant.name, interface="eth0")
        fabric.unplug(SERVICE, netns=server.name, interface="eth0")
        return fabric.routers()

    for _ in range(2):
        assert site.host.call(build) == ["r1"]
        assert tenant.pings("10.254.0.5")
    for _ in range(2):
        assert site.host.call(clear) == []
        assert left_behind(before, site.world()) == []


def test_what_cannot_be_is_an_invalid_network(stage: Stage, site: Site, fabric: Fabric) -> None:
    """An unknown wire, or a router address outside its subnet, is InvalidNetwork."""
    machine = stage.machine()

    def plug(wanted: Segment) -> None:
        fabric.plug(wanted, netns=machine.name, interface="eth0", addresses=(), gateway=None)

    with pytest.raises(InvalidNetwork, match="flat, vlan and vxlan"):
        site.host.call(lambda: plug(segment(5, "10.5.0.0/24", kind=NetworkType.GRE)))
    with pytest.raises(InvalidNetwork, match="from 1 to"):
        site.host.call(lambda: plug(segment(0, "10.5.0.0/24")))
    leg = RouterLeg(segment=TENANT, addresses=(ip_address("10.6.0.1"),))
    with pytest.raises(InvalidNetwork, match=r"10\.6\.0\.1"):
        site.host.call(lambda: fabric.ensure_router("r1", [leg]))


def test_what_fails_now_is_unavailable(site: Site, fabric: Fabric) -> None:
    """Another failure may pass: NetworkUnavailable, which is retried."""
    with pytest.raises(NetworkUnavailable, match="no-such-namespace"):
        site.host.call(
            lambda: fabric.plug(
                TENANT, netns="no-such-namespace", interface="eth0", addresses=(), gateway=None
            )
        )


def test_a_wire_is_the_segment_without_its_addresses() -> None:
    """All that matters below IP is handed on."""
    wire = wire_of(TENANT)
    assert (wire.network_type, wire.segmentation_id, wire.mtu) == ("vxlan", 301, 1450)
    assert wire.physical_network is None


def test_a_tenants_machine_keeps_its_own(stage: Stage, site: Site, fabric: Fabric) -> None:
    """Plugging changes nothing else in a namespace of somebody, and never takes an interface."""
    machine = stage.machine("tenant")
    machine.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    machine.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    settings = [
        f"net.{family}.conf.{where}.{key}"
        for family, key in (("ipv4", "forwarding"), ("ipv4", "rp_filter"), ("ipv6", "forwarding"))
        for where in ("all", "other")
    ]
    before = machine.run("sysctl", *settings)

    def plug(interface: str, wanted: Segment) -> None:
        fabric.plug(
            wanted,
            netns=machine.name,
            interface=interface,
            addresses=("10.5.0.9/24",),
            gateway=None,
        )

    with pytest.raises(NetworkUnavailable, match="has an interface eth0 already"):
        site.host.call(lambda: plug("eth0", TENANT))
    assert "other" in machine.run("ip", "-br", "link")
    for change in (lambda: plug("share0", TENANT), lambda: plug("share0", SERVICE)) * 2:
        site.host.call(change)
        assert "10.5.0.9" in machine.run("ip", "-br", "addr", "show", "dev", "share0")
    assert machine.run("sysctl", *settings) == before


def test_a_bridge_of_a_tenants_is_joined(stage: Stage, site: Site, fabric: Fabric) -> None:
    """A machine behind the bridge reaches one on the segment; parted, nothing is left."""
    bridge(site.host, "br-tenant")
    behind, server = stage.machine("tenant"), stage.machine("server")
    join(site.host, behind, "tenant0", "10.9.9.9/32", "10.5.0.9/24")
    site.host.run("ip", "link", "set", "tenant0", "master", "br-tenant")
    before, settings = site.world(), site.host.run("ip", "-d", "link", "show", "br-tenant")

    def build() -> None:
        fabric.plug_bridge(TENANT, bridge="br-tenant")
        fabric.plug(
            TENANT, netns=server.name, interface="eth0", addresses=("10.5.0.5/24",), gateway=None
        )

    def clear() -> None:
        fabric.unplug_bridge(TENANT, bridge="br-tenant")
        fabric.unplug(TENANT, netns=server.name, interface="eth0")

    for _ in range(2):
        site.host.call(build)
        assert behind.pings("10.5.0.5")
    assert site.host.run("ip", "-o", "addr", "show", "dev", "br-tenant", "scope", "global") == ""
    site.host.call(lambda: fabric.unplug_bridge(SERVICE, bridge="br-tenant"))
    assert behind.pings("10.5.0.5")
    for _ in range(2):
        site.host.call(clear)
        assert left_behind(before, site.world()) == []
    assert not behind.pings("10.5.0.5", attempts=1)
    assert _steady(site.host.run("ip", "-d", "link", "show", "br-tenant")) == _steady(settings)


def _steady(shown: str) -> list[str]:
    """Without the timers that run, and the ID that follows the lowest MAC address of a port."""
    moving = ("timer", "ageing", "bridge_id", "designated_root")
    words = shown.split()
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not any(name in before for name in moving)
    ]


def test_a_bridge_is_on_one_wire_and_nobody_elses(site: Site, fabric: Fabric) -> None:
    """Two networks are never joined by way of a bridge; what is no bridge is refused."""
    bridge(site.host, "br-tenant")
    before = site.world()
    site.host.call(lambda: fabric.plug_bridge(TENANT, bridge="br-tenant"))
    with pytest.raises(InvalidNetwork, match="joined with another network"):
        site.host.call(lambda: fabric.plug_bridge(SERVICE, bridge="br-tenant"))
    site.host.call(lambda: fabric.unplug_bridge(TENANT, bridge="br-tenant"))
    for name in ("br-missing", "lo"):
        plug = partial(fabric.plug_bridge, TENANT, bridge=name)
        with pytest.raises(InvalidNetwork, match=f"no bridge {name}"):
            site.host.call(plug)
    assert left_behind(before, site.world()) == []


def test_a_wire_of_the_host_is_no_bridge_of_a_tenant(stage: Stage) -> None:
    """What the mappings name can't be joined with a tenant's network."""
    host = stage.machine("host")
    bridge(host, "br-flat", "10.99.0.1/24")
    site = stage.site(
        host, vxlan_local=ip_address("10.99.0.1"), bridge_mappings={"flat": "br-flat"}
    )
    with pytest.raises(InvalidNetwork, match="br-flat is a wire of this host"):
        site.host.call(lambda: HostFabric(site.fabric).plug_bridge(TENANT, bridge="br-flat"))


def test_a_bridge_on_a_vlan_of_open_vswitch(stage: Stage, tmp_path: Path) -> None:
    """There the cable ends in a port with the VLAN's tag, which goes with it."""
    host = stage.machine("host")
    switch = stage.switch(host, tmp_path)
    switch.add_bridge("br-vlan")
    bridge(host, "br-tenant")
    behind, server = stage.machine("tenant"), stage.machine("server")
    join(host, behind, "tenant0", "10.9.9.9/32", "10.5.0.9/24")
    host.run("ip", "link", "set", "tenant0", "master", "br-tenant")
    host.run("ip", "addr", "add", "10.99.0.1/24", "dev", "lo")
    site = stage.site(
        host,
        vlan_mappings={"physnet1": "br-vlan"},
        ovs_db=f"unix:{tmp_path}/db.sock",
        vxlan_local=ip_address("10.99.0.1"),
    )
    fabric = HostFabric(site.fabric)
    wanted = replace(segment(44, "10.5.0.0/24", kind=NetworkType.VLAN), physical_network="physnet1")
    before = site.world()
    for _ in range(2):
        host.call(lambda: fabric.plug_bridge(wanted, bridge="br-tenant"))
        site.attach(server, wire_of(wanted), "10.5.0.5/24")
        assert behind.pings("10.5.0.5")
    with pytest.raises(InvalidNetwork, match="joined with another network"):
        host.call(lambda: fabric.plug_bridge(TENANT, bridge="br-tenant"))
    assert behind.pings("10.5.0.5")
    for _ in range(2):
        host.call(lambda: fabric.unplug_bridge(wanted, bridge="br-tenant"))
        site.detach(server)
    assert left_behind(before, site.world()) == []
    assert switch.vsctl("list-ports", "br-vlan") == ""
