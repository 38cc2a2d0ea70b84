"""VLAN wires: by Open vSwitch in user space, and by kernel link or a clear refusal."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fabric_stage import Site, Stage, flat, vlan

from abaca.errors import CommandFailed, LinuxError
from abaca.linux import netns
from abaca.testing.netns import Machine, join
from abaca.testing.ovs import Switch
from abaca.testing.world import left_behind

pytestmark = pytest.mark.dataplane

ETH_P_ALL = 3


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="qa-ovs-") as name:
        yield Path(name)


@pytest.fixture
def host(stage: Stage) -> Machine:
    """A host with an uplink to a machine that sees its trunk."""
    return stage.machine("host")


@pytest.fixture
def trunk(stage: Stage, host: Machine) -> Machine:
    """The machine at the other end of the host's uplink."""
    other = stage.machine("trunk")
    join(host, other, "uplink", "10.97.0.1/24", "10.97.0.2/24")
    host.run("ip", "addr", "flush", "dev", "uplink")
    return other


@pytest.fixture
def switch(stage: Stage, host: Machine, trunk: Machine, folder: Path) -> Switch:
    """An Open vSwitch with the bridge br-vlan, which has the uplink."""
    del trunk
    running = stage.switch(host, folder)
    running.add_bridge("br-vlan", "uplink")
    return running


@pytest.fixture
def site(stage: Stage, host: Machine, switch: Switch) -> Site:
    """The fabric that uses it."""
    return stage.site(
        host,
        vlan_mappings={"physnet1": "br-vlan"},
        bridge_mappings={"flat": "br-vlan"},
        ovs_db=str(switch.socket),
    )


def send(source: Machine, target: Machine, address: str, size: int) -> int:
    """Bytes that arrive over TCP."""
    with (
        target.call(lambda: socket.create_server((address, 7002))) as listener,
        source.call(lambda: socket.create_connection((address, 7002), 5)) as near,
        listener.accept()[0] as far,
    ):
        far.settimeout(5)
        near.sendall(bytes(size))
        near.shutdown(socket.SHUT_WR)
        arrived = 0
        while block := far.recv(65536):
            arrived += len(block)
        return arrived


def test_tags_join_and_separate(stage: Stage, site: Site) -> None:
    """One tag reaches, by TCP with payload too; another tag with the same addresses does not."""
    one, two, other = (stage.machine() for _ in range(3))
    for _ in range(2):
        site.attach(one, vlan(101), "10.8.0.5/24", "fd00:8::5/64")
        site.attach(two, vlan(101), "10.8.0.6/24", "fd00:8::6/64")
        site.attach(other, vlan(102), "10.8.0.7/24", "fd00:8::7/64")
    assert two.pings("10.8.0.5")
    assert two.pings("fd00:8::5")
    assert send(one, two, "10.8.0.6", 200_000) == 200_000
    assert not other.pings("10.8.0.5", timeout=0.3)
    assert not other.pings("fd00:8::5", timeout=0.3)


def test_the_trunk_shows_the_tag(stage: Stage, site: Site, trunk: Machine) -> None:
    """A frame that leaves by the uplink carries the tag of the wire."""

    def listen() -> socket.socket:
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        listener.bind(("uplink", 0))
        # Tags are taken out of the frame by the kernel, and told beside it.
        listener.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA
        listener.settimeout(20)
        return listener

    one = stage.machine()
    site.attach(one, vlan(103), "10.8.0.5/24")
    tags = set()
    with trunk.call(listen) as listener:
        one.pings("10.8.0.99", timeout=0.2)
        while True:
            try:
                frame, auxiliary, _, _ = listener.recvmsg(2000, 1000)
            except TimeoutError:
                break
            if frame[12:14] == b"\x81\x00":
                tags.add(int.from_bytes(frame[14:16], "big") & 0xFFF)
            tags |= {int.from_bytes(data[16:18], "little") & 0xFFF for _, _, data in auxiliary}
            if tags - {0}:
                listener.settimeout(0.5)
    assert tags - {0} == {103}


def test_the_host_is_silent_on_its_ports(stage: Stage, site: Site, host: Machine) -> None:
    """A port in user space leaves the host's own stack deaf: no answer on any of its addresses."""
    one = stage.machine()
    host.run("ip", "addr", "add", "10.96.0.1/32", "dev", "lo")
    site.attach(one, vlan(104), "10.8.0.5/24", "fd00:8::5/64")
    one.run("ip", "route", "add", "10.96.0.1/32", "dev", "eth0")
    assert host.pings("10.96.0.1")
    assert not one.pings("10.96.0.1", timeout=0.3)
    assert "lladdr" not in one.run("ip", "neigh", "show", "10.96.0.1"), "not even ARP is answered"
    host.run("ip", "neigh", "flush", "all")
    ports = [line.split()[1] for line in host.run("ip", "-6", "-o", "addr").splitlines()]
    assert not [port for port in ports if port.startswith("ab")]


def test_a_changed_tag_moves_the_port(stage: Stage, site: Site) -> None:
    """The same interface on another VLAN, then on the flat wire, is moved, not doubled."""
    one, two = stage.machine(), stage.machine()
    site.attach(one, vlan(105), "10.8.0.5/24")
    site.attach(two, vlan(106), "10.8.0.6/24")
    assert not one.pings("10.8.0.6", timeout=0.3)
    site.attach(one, vlan(106), "10.8.0.5/24")
    assert one.pings("10.8.0.6")
    site.attach(two, flat(), "10.8.0.6/24")
    assert not one.pings("10.8.0.6", timeout=0.3)


def test_removal_twice_leaves_no_port(stage: Stage, site: Site, switch: Switch) -> None:
    """No link and no port of the switch stays; detach again, and with the wire unknown, is fine."""
    before, ports = site.world(), switch.vsctl("list-ports", "br-vlan")
    one = stage.machine()
    site.attach(one, vlan(107), "10.8.0.5/24")
    site.attach(one, flat(), "10.7.0.5/24", interface="eth1")
    assert switch.vsctl("list-ports", "br-vlan") != ports
    for _ in range(2):
        site.detach(one, "eth0", vlan(107))
        site.detach(one, "eth1")
    assert switch.vsctl("list-ports", "br-vlan") == ports
    assert left_behind(before, site.world()) == []


def test_a_link_lost_by_a_reboot_is_plugged_again(
    stage: Stage, site: Site, switch: Switch, host: Machine
) -> None:
    """The database still has the port of a link that is gone: attach makes it work again."""
    one, two = stage.machine(), stage.machine()
    site.attach(one, vlan(108), "10.8.0.5/24")
    ports = set(switch.vsctl("list-ports", "br-vlan").split()) - {"uplink"}
    site.attach(two, vlan(108), "10.8.0.6/24")
    for port in ports:
        host.run("ip", "link", "del", port)
    site.attach(one, vlan(108), "10.8.0.5/24")
    assert one.pings("10.8.0.6")


def test_a_router_lost_by_a_reboot_leaves_no_port(
    site: Site, switch: Switch, host: Machine
) -> None:
    """A router between VLANs whose namespace is gone is removed with its ports in the database."""
    before, ports = site.world(), switch.vsctl("list-ports", "br-vlan")
    for damaged in (False, True):
        site.router("r1", (vlan(110), ("10.8.0.1/24",)), (flat(), ("10.7.0.1/24",)))
        made = set(switch.vsctl("list-ports", "br-vlan").split()) - set(ports.split())
        assert len(made) == 2
        if damaged:
            netns.remove_namespace(f"abaca-{site.deployment}-r-r1")
            for port in made:
                lose(host, port)
        site.remove_router("r1")
        assert switch.vsctl("list-ports", "br-vlan") == ports
    assert left_behind(before, site.world()) == []


def lose(host: Machine, link: str) -> None:
    """Delete a link that may go by itself meanwhile."""
    with suppress(CommandFailed):
        host.run("ip", "link", "del", link)


def test_flat_on_an_open_vswitch_bridge(stage: Stage, site: Site) -> None:
    """A flat wire takes an Open vSwitch bridge too, untagged; probe tells which way is used."""
    assert site.host.call(site.fabric.probe) == []
    assert site.host.call(site.fabric.ways) == {
        "bridge_mappings flat:br-vlan": "Open vSwitch",
        "vlan_mappings physnet1:br-vlan": "Open vSwitch",
    }
    one, two = stage.machine(), stage.machine()
    site.attach(one, flat(), "10.8.0.5/24")
    site.attach(two, flat(), "10.8.0.6/24")
    assert send(one, two, "10.8.0.6", 200_000) == 200_000


def test_a_plain_uplink_uses_kernel_links_or_is_refused(
    stage: Stage, host: Machine, trunk: Machine
) -> None:
    """Where the kernel has VLAN links they are used; elsewhere probe and attach say what to do."""
    del trunk
    site = stage.site(host, vlan_mappings={"physnet1": "uplink"}, ovs_db="/nonexistent/db.sock")
    one, two, before = stage.machine(), stage.machine(), site.world()
    if kernel_has_vlan_links(host):
        assert site.host.call(site.fabric.probe) == []
        site.attach(one, vlan(109), "10.8.0.5/24")
        site.attach(two, vlan(109), "10.8.0.6/24")
        assert one.pings("10.8.0.6")
        site.detach(one)
        site.detach(two)
    else:
        (fault,) = site.host.call(site.fabric.probe)
        assert "vlan_mappings = physnet1:uplink: this kernel has no VLAN links" in fault
        assert "ovs-vsctl add-br" in fault
        with pytest.raises(LinuxError, match="install openvswitch-switch"):
            site.attach(one, vlan(109), "10.8.0.5/24")
    assert left_behind(before, site.world()) == []


def kernel_has_vlan_links(host: Machine) -> bool:
    """True if the kernel makes a link of type vlan."""
    try:
        host.run("ip", "link", "add", "try0", "link", "uplink", "type", "vlan", "id", "4000")
    except CommandFailed:
        return False
    host.run("ip", "link", "del", "try0")
    return True


def test_an_uplink_that_is_not_there_is_named(stage: Stage, host: Machine) -> None:
    """A mapping to nothing is a fault with the name in it."""
    site = stage.site(host, vlan_mappings={"physnet1": "eth9"}, ovs_db="/nonexistent/db.sock")
    (fault,) = site.host.call(site.fabric.probe)
    assert "there is no interface or Open vSwitch bridge eth9" in fault
