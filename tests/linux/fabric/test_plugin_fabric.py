"""The fabric as network plugins see it: segments in, network errors out."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from fabric_stage import Site, Stage

from abaca.drivers.fabric import HostFabric, wire_of
from abaca.errors import InvalidNetwork, NetworkUnavailable
from abaca.network.plugin import Fabric, NetworkType, RouterLeg, Segment, Subnet
from abaca.testing.netns import bridge
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
