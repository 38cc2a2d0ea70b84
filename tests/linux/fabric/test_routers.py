"""Routers between wires."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from fabric_stage import Site, Stage, vxlan

from abaca.linux import netns
from abaca.testing.netns import Machine, bridge
from abaca.testing.world import left_behind

pytestmark = pytest.mark.dataplane

TENANT, SERVICE, OTHER = vxlan(201), vxlan(202), vxlan(203)
LEGS = (
    (TENANT, ("10.5.0.254/24", "fd00:5::fe/64")),
    (SERVICE, ("10.254.0.1/28", "fd00:254::1/64")),
)


@pytest.fixture
def site(stage: Stage) -> Site:
    """A host with an address for VXLAN."""
    host = stage.machine("host")
    bridge(host, "underlay", "10.99.0.1/24")
    return stage.site(host, vxlan_local=ip_address("10.99.0.1"))


@pytest.fixture
def tenant(stage: Stage, site: Site) -> Machine:
    """A machine of the tenant, with routes to the service network."""
    made = stage.machine("tenant")
    site.attach(
        made,
        TENANT,
        "10.5.0.9/24",
        "fd00:5::9/64",
        routes=(("10.254.0.0/28", "10.5.0.254"), ("fd00:254::/64", "fd00:5::fe")),
    )
    return made


@pytest.fixture
def server(stage: Stage, site: Site) -> Machine:
    """A share server on the service network."""
    made = stage.machine("server")
    site.attach(
        made,
        SERVICE,
        "10.254.0.5/28",
        "fd00:254::5/64",
        gateways=("10.254.0.1", "fd00:254::1"),
    )
    return made


def space(site: Site) -> Machine:
    """The namespace of the router r1."""
    return Machine(name=f"abaca-{site.deployment}-r-r1")


def test_a_router_joins_two_subnets(site: Site, tenant: Machine, server: Machine) -> None:
    """A tenant reaches a server in another subnet on both IP versions, only through the router."""
    assert not tenant.pings("10.254.0.5", timeout=0.3)
    for _ in range(2):
        site.router("r1", *LEGS)
    assert tenant.pings("10.254.0.5")
    assert tenant.pings("fd00:254::5")
    assert server.pings("10.5.0.9")
    assert site.fabric.routers() == ["r1"]


def test_removal_twice_leaves_nothing(site: Site) -> None:
    """The router goes with its legs and with the wires that only it used."""
    before = site.world()
    site.router("r1", *LEGS)
    assert len(left_behind(before, site.world())) > 0
    for _ in range(2):
        site.remove_router("r1")
        assert left_behind(before, site.world()) == []
        assert site.fabric.routers() == []


def test_changed_legs_make_the_difference(
    stage: Stage, site: Site, tenant: Machine, server: Machine
) -> None:
    """A leg with another address is changed, one no longer wanted goes, the others go on."""
    site.router("r1", *LEGS, (OTHER, ("10.6.0.1/24",)))
    other = stage.machine("other")
    site.attach(other, OTHER, "10.6.0.9/24", gateways=("10.6.0.1",))
    assert other.pings("10.254.0.5")
    site.router("r1", (TENANT, ("10.5.0.254/24",)), LEGS[1])
    assert not other.pings("10.254.0.5", timeout=0.3)
    assert tenant.pings("10.254.0.5")
    assert not tenant.pings("fd00:254::5", timeout=0.3)
    assert server.pings("10.5.0.9")


def test_a_router_serves_nothing_and_hides_the_host(
    site: Site, tenant: Machine, server: Machine
) -> None:
    """Nothing listens in the router, it has no default route, and the host stays out of reach."""
    del server
    site.router("r1", *LEGS)
    assert space(site).run("ss", "-Hlntu").strip() == ""
    assert "default" not in space(site).run("ip", "route")
    tenant.run("ip", "route", "add", "10.99.0.1/32", "via", "10.5.0.254")
    assert site.host.pings("10.99.0.1")
    assert not tenant.pings("10.99.0.1", timeout=0.3)


def test_a_router_drops_forged_sources(site: Site, tenant: Machine, server: Machine) -> None:
    """A source address that belongs to another leg does not get through."""
    site.router("r1", *LEGS)
    tenant.run("ip", "addr", "add", "10.254.0.9/32", "dev", "eth0")
    assert tenant.pings("10.254.0.5")
    server.run("ip", "neigh", "add", "10.254.0.9", "lladdr", "02:00:00:00:00:01", "dev", "eth0")
    received = int(server.run("cat", "/proc/net/snmp").split("Icmp:")[2].split()[0])
    before = received
    with pytest.raises(Exception, match="exit 1"):
        tenant.run("ping", "-n", "-q", "-c2", "-W0.3", "-I", "10.254.0.9", "10.254.0.5")
    assert int(server.run("cat", "/proc/net/snmp").split("Icmp:")[2].split()[0]) == before


@pytest.mark.parametrize("damage", ["leg lost", "namespace lost", "forwarding off"])
def test_a_damaged_router_is_mended(
    site: Site, tenant: Machine, server: Machine, damage: str
) -> None:
    """Whatever is missing of a router is made again by the same call."""
    del server
    site.router("r1", *LEGS)
    match damage:
        case "leg lost":
            names = space(site).run("ip", "-br", "link").split()
            space(site).run(
                "ip", "link", "del", next(n for n in names if n[:3] == "abl").split("@")[0]
            )
        case "namespace lost":
            netns.remove_namespace(space(site).name)
        case "forwarding off":
            space(site).run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    if damage != "namespace lost":  # the kernel takes its time to end that one
        assert not tenant.pings("10.254.0.5", timeout=0.3)
    site.router("r1", *LEGS)
    assert tenant.pings("10.254.0.5")
    assert tenant.pings("fd00:254::5")


def test_a_server_never_forwards(site: Site, stage: Stage, tenant: Machine) -> None:
    """A machine with two interfaces that is no router passes nothing on."""
    both, far = stage.machine(), stage.machine()
    site.attach(both, TENANT, "10.5.0.254/24")
    site.attach(both, SERVICE, "10.254.0.1/28", interface="eth1")
    site.attach(far, SERVICE, "10.254.0.5/28", gateways=("10.254.0.1",))
    assert both.pings("10.254.0.5")
    assert both.pings("10.5.0.9")
    assert not tenant.pings("10.254.0.5", timeout=0.3)


def test_answers_leave_by_the_interface_that_was_asked(
    stage: Stage, site: Site, tenant: Machine
) -> None:
    """A server with two gateways answers a far client by the gateway of the address it asked."""
    server, near = stage.machine("server"), stage.machine("near")
    nowhere = vxlan(204)
    site.attach(server, nowhere, "10.3.0.5/24", "fd00:3::5/64", gateways=("10.3.0.1", "fd00:3::1"))
    for _ in range(2):
        site.attach(
            server,
            SERVICE,
            "10.254.0.5/28",
            "fd00:254::5/64",
            interface="eth1",
            gateways=("10.254.0.1", "fd00:254::1"),
        )
    site.router("r1", *LEGS)
    assert tenant.pings("10.254.0.5")
    assert tenant.pings("fd00:254::5")
    site.attach(near, SERVICE, "10.254.0.6/28")
    assert near.pings("10.254.0.5"), "its own network is still reached without a gateway"
    rules = server.run("ip", "rule"), server.run("ip", "-6", "rule")
    site.attach(server, SERVICE, "10.254.0.5/28", interface="eth1", gateways=("10.254.0.1",))
    assert server.run("ip", "rule") == rules[0]
    assert "fd00:254::5" in rules[1]
    assert "fd00:254::5" not in server.run("ip", "-6", "rule")
