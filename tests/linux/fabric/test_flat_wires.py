"""Interfaces on the administrator's bridge."""

from __future__ import annotations

import json
import socket
import sys

import pytest
from fabric_stage import Site, Stage, flat, vlan

from abaca.errors import LinuxError
from abaca.linux import netns
from abaca.testing.netns import Machine, bridge
from abaca.testing.world import left_behind

pytestmark = pytest.mark.dataplane


@pytest.fixture
def site(stage: Stage) -> Site:
    """A host with the bridge br-flat, which has addresses of the administrator's."""
    site = stage.site(bridge_mappings={"flat": "br-flat", "lab": "br-flat"})
    bridge(site.host, "br-flat", "10.9.0.1/24")
    return site


def addresses(target: Machine, interface: str = "eth0") -> set[str]:
    """All addresses of an interface but the link-local one."""
    (found,) = json.loads(target.run("ip", "-json", "addr", "show", "dev", interface))
    return {
        f"{item['local']}/{item['prefixlen']}"
        for item in found["addr_info"]
        if item["scope"] != "link"
    }


def routes(target: Machine) -> set[tuple[str, str]]:
    """Destination and gateway of all routes that have a gateway."""
    both = [
        *json.loads(target.run("ip", "-json", "route")),
        *json.loads(target.run("ip", "-json", "-6", "route")),
    ]
    return {(item["dst"], item["gateway"]) for item in both if "gateway" in item}


def mac(target: Machine, interface: str = "eth0") -> str:
    """MAC address of an interface."""
    (found,) = json.loads(target.run("ip", "-json", "link", "show", "dev", interface))
    return str(found["address"])


def test_both_ip_versions_reach_at_once_and_repetition_changes_nothing(
    stage: Stage, site: Site
) -> None:
    """An attached interface answers on IPv4 and IPv6; the same call again leaves it alone."""
    one, two = stage.machine(), stage.machine()
    site.attach(two, flat(), "10.9.0.6/24", "fd00:9::6/64")
    site.attach(one, flat(), "10.9.0.5/24", "fd00:9::5/64")
    assert two.pings("10.9.0.5")
    assert two.pings("fd00:9::5")
    before = one.run("ip", "-o", "addr"), one.run("ip", "-o", "link"), site.world()
    site.attach(one, flat(), "10.9.0.5/24", "fd00:9::5/64")
    after = one.run("ip", "-o", "addr"), one.run("ip", "-o", "link"), site.world()
    assert before == after


def test_no_ipv6_without_an_ipv6_address(stage: Stage, site: Site) -> None:
    """A server with IPv4 only has not even a link-local IPv6 address."""
    one = stage.machine()
    site.attach(one, flat(), "10.9.0.5/24")
    assert one.run("ip", "-6", "addr", "show", "dev", "eth0").strip() == ""


def test_physical_network_names_choose_the_bridge(stage: Stage, site: Site) -> None:
    """A flat wire with a name uses that name's bridge; an unknown name says what to write."""
    one = stage.machine()
    site.attach(one, flat(physical_network="lab"), "10.9.0.5/24")
    assert one.pings("10.9.0.1")
    with pytest.raises(LinuxError, match="add other:BRIDGE to bridge_mappings"):
        site.attach(one, flat(physical_network="other"), "10.9.0.5/24")


def test_only_the_routes_asked_for(stage: Stage, site: Site) -> None:
    """Without a gateway no default route; with changed routes exactly the new ones."""
    one = stage.machine()
    site.attach(one, flat(), "10.9.0.5/24", "fd00:9::5/64")
    assert routes(one) == set()
    site.attach(
        one,
        flat(),
        "10.9.0.5/24",
        "fd00:9::5/64",
        gateways=("10.9.0.1", "fd00:9::1"),
        routes=(("192.0.2.0/24", "10.9.0.7"),),
    )
    assert routes(one) == {
        ("default", "10.9.0.1"),
        ("default", "fd00:9::1"),
        ("192.0.2.0/24", "10.9.0.7"),
    }
    site.attach(one, flat(), "10.9.0.5/24", gateways=("10.9.0.2",))
    assert routes(one) == {("default", "10.9.0.2")}
    site.attach(one, flat(), "10.9.0.5/24", gateways=("172.31.0.1",))
    assert routes(one) == {("default", "172.31.0.1")}, "a gateway outside the subnet"


def test_changed_addresses_leave_the_rest_untouched(stage: Stage, site: Site) -> None:
    """A TCP connection to the address that stays goes on while others come and go."""
    one, two = stage.machine(), stage.machine()
    site.attach(two, flat(), "10.9.0.6/24")
    site.attach(one, flat(), "10.9.0.4/24", "10.9.0.5/24")
    with (
        one.call(lambda: socket.create_server(("10.9.0.5", 7000))) as listener,
        two.call(lambda: socket.create_connection(("10.9.0.5", 7000), 5)) as near,
        listener.accept()[0] as far,
    ):
        site.attach(one, flat(), "10.9.0.5/24", "10.9.0.8/24", "fd00:9::8/64")
        far.settimeout(5)
        near.sendall(b"still here")
        assert far.recv(100) == b"still here"
    assert addresses(one) == {"10.9.0.5/24", "10.9.0.8/24", "fd00:9::8/64"}
    assert not two.pings("10.9.0.4", timeout=0.3)


def test_the_mac_address_is_the_one_given_or_always_the_same(stage: Stage, site: Site) -> None:
    """Without a MAC address one is derived, the same after everything was lost."""
    one = stage.machine()
    site.attach(one, flat(), "10.9.0.5/24", mac="02:00:00:00:00:99")
    assert mac(one) == "02:00:00:00:00:99"
    site.attach(one, flat(), "10.9.0.5/24")
    derived = mac(one)
    netns.remove_namespace(one.name)
    netns.ensure_namespace(one.name)
    site.attach(one, flat(), "10.9.0.5/24")
    assert mac(one) == derived
    assert one.pings("10.9.0.1")


def test_removal_twice_leaves_nothing(stage: Stage, site: Site) -> None:
    """Detach removes all that attach made, and succeeds again, and without the namespace."""
    one = stage.machine()
    before = site.world()
    site.attach(one, flat(), "10.9.0.5/24")
    assert left_behind(before, site.world()) != []
    site.detach(one)
    assert left_behind(before, site.world()) == []
    assert "eth0" not in one.run("ip", "-br", "link")
    site.detach(one, wire=flat())
    netns.remove_namespace(one.name)
    site.detach(one)
    assert left_behind(before, site.world()) == []


def test_a_missing_bridge_is_told_before_and_at_use(stage: Stage) -> None:
    """probe() and attach() say which bridge to make, and how; nothing is made."""
    site = stage.site(bridge_mappings={"flat": "br-none"})
    (fault,) = site.host.call(site.fabric.probe)
    assert "bridge_mappings = flat:br-none" in fault
    assert "ip link add br-none type bridge" in fault
    one, before = stage.machine(), site.world()
    with pytest.raises(LinuxError, match="ip link add br-none type bridge"):
        site.attach(one, flat(), "10.9.0.5/24")
    assert left_behind(before, site.world()) == []


def test_probe_is_silent_when_all_is_there(site: Site) -> None:
    """No fault for an existing bridge, and the way is told."""
    assert site.host.call(site.fabric.probe) == []
    assert site.host.call(site.fabric.ways)["bridge_mappings flat:br-flat"] == "kernel bridge"


def test_an_unmapped_vlan_says_what_to_write(stage: Stage, site: Site) -> None:
    """A VLAN without an uplink names the option."""
    with pytest.raises(LinuxError, match="add physnet1:UPLINK to vlan_mappings"):
        site.attach(stage.machine(), vlan(5), "10.9.0.5/24")


@pytest.mark.parametrize("damage", ["port removed", "port unplugged", "interface down", "namesake"])
def test_what_is_half_made_is_completed(stage: Stage, site: Site, damage: str) -> None:
    """Whatever state the links are in, the next attach makes them whole."""
    one = stage.machine()
    before = {line.split("@")[0] for line in site.host.run("ip", "-br", "link").splitlines()}
    site.attach(one, flat(), "10.9.0.5/24", gateways=("10.9.0.1",))
    after = {line.split("@")[0] for line in site.host.run("ip", "-br", "link").splitlines()}
    port = next(name for name in after - before if name.startswith("ab"))
    match damage:
        case "port removed":
            site.host.run("ip", "link", "del", port)
        case "port unplugged":
            site.host.run("ip", "link", "set", port, "nomaster", "down")
        case "interface down":
            one.run("ip", "link", "set", "eth0", "down")
        case "namesake":
            site.host.run("ip", "link", "del", port)
            site.host.run("ip", "link", "add", port, "type", "veth", "peer", "name", "other")
            one.run("ip", "link", "add", "eth0", "type", "bridge")
    assert not one.pings("10.9.0.1", timeout=0.2)
    site.attach(one, flat(), "10.9.0.5/24", gateways=("10.9.0.1",))
    assert one.pings("10.9.0.1")
    assert routes(one) == {("default", "10.9.0.1")}


def test_attach_needs_the_namespace(stage: Stage, site: Site) -> None:
    """A namespace that is not there is named in the error."""
    gone = stage.machine()
    netns.remove_namespace(gone.name)
    with pytest.raises(LinuxError, match=gone.name):
        site.attach(gone, flat(), "10.9.0.5/24")


def test_without_privileges_the_fault_says_what_to_grant(site: Site) -> None:
    """A process that may not make links is told so in one line."""
    program = (
        "from abaca.linux.fabric import *\n"
        "print(LinuxFabric(FabricOptions(deployment='00000000')).probe())"
    )
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    faults = site.host.run(*powerless, sys.executable, "-c", program)
    assert "run it as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN" in faults
