"""VXLAN wires between two hosts that share an underlay."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest
from fabric_stage import Site, Stage, vxlan

from abaca.errors import LinuxError
from abaca.linux import netns
from abaca.linux.fabric import FabricOptions, LinuxFabric
from abaca.testing.netns import Machine, join
from abaca.testing.world import left_behind

pytestmark = pytest.mark.dataplane

ALL_PACKETS = 3
UNDERLAY = ("10.99.0.1", "10.99.0.2")


@pytest.fixture
def hosts(stage: Stage) -> tuple[Machine, Machine]:
    """Two hosts with a cable between them."""
    one, two = stage.machine("host"), stage.machine("host")
    join(one, two, "uplink", f"{UNDERLAY[0]}/24", f"{UNDERLAY[1]}/24")
    return one, two


@pytest.fixture
def sites(stage: Stage, hosts: tuple[Machine, Machine]) -> tuple[Site, Site]:
    """A fabric on each host, knowing the other as a peer."""
    one, two = (ip_address(text) for text in UNDERLAY)
    return (
        stage.site(hosts[0], vxlan_local=one, vxlan_peers=(two,)),
        stage.site(hosts[1], vxlan_local=two, vxlan_peers=(one,)),
    )


@contextmanager
def capture(host: Machine, interface: str) -> Iterator[list[bytes]]:
    """The frames seen on an interface inside the block (filled when it ends)."""

    def listen() -> socket.socket:
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PACKETS))
        listener.bind((interface, 0))
        listener.setblocking(False)
        return listener

    frames: list[bytes] = []
    with host.call(listen) as listener:
        yield frames
        while True:
            try:
                frames.append(listener.recv(65535))
            except BlockingIOError:
                return


def vnis(frames: list[bytes]) -> set[int]:
    """The VNIs of the VXLAN packets among Ethernet frames with IPv4."""
    found = set()
    for frame in frames:
        is_udp = frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP
        if is_udp and int.from_bytes(frame[36:38], "big") == 4789:
            found.add(int.from_bytes(frame[46:49], "big"))
    return found


def test_same_vni_reaches_between_hosts_and_the_uplink_shows_it(
    stage: Stage, sites: tuple[Site, Site], hosts: tuple[Machine, Machine]
) -> None:
    """Two machines on one VNI reach each other on IPv4 and IPv6, and that VNI is on the wire."""
    one, two = stage.machine(), stage.machine()
    for _ in range(2):
        sites[0].attach(one, vxlan(77), "10.8.0.5/24", "fd00:8::5/64")
        sites[1].attach(two, vxlan(77), "10.8.0.6/24", "fd00:8::6/64")
    with capture(hosts[0], "uplink") as frames:
        assert one.pings("10.8.0.6")
        assert one.pings("fd00:8::6")
    assert vnis(frames) == {77}


def test_another_vni_with_the_same_addresses_is_another_world(
    stage: Stage, sites: tuple[Site, Site]
) -> None:
    """Two tenants with the same subnet don't meet, on one host or across two."""
    server, tenant, near, far = (stage.machine() for _ in range(4))
    sites[0].attach(server, vxlan(1), "10.8.0.5/24")
    sites[1].attach(tenant, vxlan(1), "10.8.0.6/24")
    sites[0].attach(near, vxlan(2), "10.8.0.7/24")
    sites[1].attach(far, vxlan(2), "10.8.0.6/24")
    assert tenant.pings("10.8.0.5")
    assert far.pings("10.8.0.7")
    assert not far.pings("10.8.0.5", timeout=0.3)
    assert not near.pings("10.8.0.5", timeout=0.3)
    assert not tenant.pings("10.8.0.7", timeout=0.3)


def test_the_largest_packet_passes(stage: Stage, sites: tuple[Site, Site]) -> None:
    """A packet as large as the wire's MTU crosses the VXLAN unfragmented."""
    one, two = stage.machine(), stage.machine()
    sites[0].attach(one, vxlan(5, mtu=1500), "10.8.0.5/24")
    sites[1].attach(two, vxlan(5, mtu=1500), "10.8.0.6/24")
    assert one.run("ping", "-n", "-q", "-c1", "-W10", "-Mdo", "-s1472", "10.8.0.6")


def test_a_wire_larger_than_the_underlay_is_refused(stage: Stage, sites: tuple[Site, Site]) -> None:
    """An MTU that would lose packets in silence is refused with both numbers; nothing is left."""
    before = sites[0].world()
    one = stage.machine()
    with pytest.raises(LinuxError, match="mtu to 1550, or the MTU of uplink to 9050"):
        sites[0].attach(one, vxlan(5, mtu=9000), "10.8.0.5/24")
    sites[0].detach(one)
    assert left_behind(before, sites[0].world()) == []


def test_the_last_interface_takes_the_wire_with_it(stage: Stage, sites: tuple[Site, Site]) -> None:
    """Bridges stay while somebody is on them, and nothing stays after the last; twice."""
    site = sites[0]
    before = site.world()
    one, two = stage.machine(), stage.machine()
    site.attach(one, vxlan(7), "10.8.0.5/24")
    site.attach(two, vxlan(7), "10.8.0.6/24")
    site.attach(two, vxlan(8), "10.7.0.6/24", interface="eth1")
    site.detach(two, "eth1", vxlan(8))
    assert one.pings("10.8.0.6")
    site.detach(one)
    site.detach(one)
    assert left_behind(before, site.world()) == [f"namespace {site.fabric._switches.namespace}"]
    site.detach(two)
    site.detach(two)
    assert left_behind(before, site.world()) == []


def listen_everywhere() -> socket.socket:
    """A TCP listener on every address of the host."""
    return socket.create_server(("::", 7001), family=socket.AF_INET6, dualstack_ipv6=True)


def refuses(source: Machine, address: str) -> bool:
    """True if no TCP connection to port 7001 comes about."""
    try:
        source.call(lambda: socket.create_connection((address, 7001), 0.5)).close()
    except OSError:
        return True
    return False


def test_the_host_answers_nothing_from_a_wire(stage: Stage, sites: tuple[Site, Site]) -> None:
    """A tenant that tries every address of the host, link-local included, finds silence.

    The same listeners answer from inside the host, so the silence is not theirs.
    """
    host, tenant, witness = sites[0].host, stage.machine(), stage.machine()
    sites[0].attach(tenant, vxlan(7), "10.8.0.5/24", "fd00:8::5/64")
    sites[0].attach(witness, vxlan(7), "10.8.0.6/24", "fd00:8::6/64")
    link_local = (
        host.run("ip", "-6", "-o", "addr", "show", "scope", "link").split()[3].split("/")[0]
    )
    with host.call(listen_everywhere):
        assert host.pings(UNDERLAY[0])
        assert not refuses(host, UNDERLAY[0])
        assert not refuses(host, f"{link_local}%uplink")
        tenant.run("ip", "route", "add", f"{UNDERLAY[0]}/32", "dev", "eth0")
        for address in (UNDERLAY[0], f"{link_local}%eth0"):
            assert not tenant.pings(address, timeout=0.3)
            assert refuses(tenant, address)
    answers = tenant.run("ping", "-n", "-c3", "-i0.2", "-W1", "ff02::1%eth0")
    (of_witness,) = [
        line.split()[3].split("/")[0]
        for line in witness.run("ip", "-6", "-o", "addr", "show", "scope", "link").splitlines()
    ]
    sources = {
        word.rstrip(":").split("%")[0] for word in answers.split() if word.startswith("fe80:")
    }
    of_tenant = tenant.run("ip", "-6", "-o", "addr", "show", "scope", "link").split()[3]
    assert sources - {of_tenant.split("/")[0]} == {of_witness}


def test_our_bridges_have_no_address_at_all(stage: Stage, sites: tuple[Site, Site]) -> None:
    """In the namespace of our bridges nothing but loopback has an address; the host has none."""
    sites[0].attach(stage.machine(), vxlan(7), "10.8.0.5/24", "fd00:8::5/64")
    switch = Machine(name=sites[0].fabric._switches.namespace)
    holders = {line.split()[1] for line in switch.run("ip", "-o", "addr").splitlines()}
    assert holders == {"lo"}
    assert "abb" not in sites[0].host.run("ip", "-br", "link")


def test_peers_follow_the_configuration(
    stage: Stage, hosts: tuple[Machine, Machine], sites: tuple[Site, Site]
) -> None:
    """A fabric with other options changes the link of a wire that exists."""
    one, two = stage.machine(), stage.machine()
    alone = Site(
        hosts[0],
        LinuxFabric(
            FabricOptions(deployment=sites[0].deployment, vxlan_local=ip_address(UNDERLAY[0]))
        ),
        sites[0].deployment,
    )
    sites[1].attach(two, vxlan(9), "10.8.0.6/24")
    alone.attach(one, vxlan(9), "10.8.0.5/24")
    assert not one.pings("10.8.0.6", timeout=0.3)
    sites[0].attach(one, vxlan(9), "10.8.0.5/24")
    assert one.pings("10.8.0.6")


def test_multicast_instead_of_peers(stage: Stage, hosts: tuple[Machine, Machine]) -> None:
    """With a group and a device, hosts find each other without being listed."""
    both = [
        stage.site(
            host,
            vxlan_local=ip_address(address),
            vxlan_device="uplink",
            vxlan_group=ip_address("239.1.1.1"),
        )
        for host, address in zip(hosts, UNDERLAY, strict=True)
    ]
    assert [site.host.call(site.fabric.probe) for site in both] == [[], []]
    one, two = stage.machine(), stage.machine()
    for _ in range(2):
        both[0].attach(one, vxlan(11), "10.8.0.5/24")
        both[1].attach(two, vxlan(11), "10.8.0.6/24")
    assert one.pings("10.8.0.6")


def test_an_ipv6_underlay_works(stage: Stage, hosts: tuple[Machine, Machine]) -> None:
    """VXLAN between IPv6 addresses."""
    underlay = ("fd00:99::1", "fd00:99::2")
    for host, address in zip(hosts, underlay, strict=True):
        host.run("ip", "addr", "add", f"{address}/64", "dev", "uplink", "nodad")
    both = [
        stage.site(host, vxlan_local=ip_address(own), vxlan_peers=(ip_address(other),))
        for host, own, other in zip(hosts, underlay, reversed(underlay), strict=True)
    ]
    one, two = stage.machine(), stage.machine()
    for _ in range(2):
        both[0].attach(one, vxlan(12, mtu=1430), "10.8.0.5/24")
        both[1].attach(two, vxlan(12, mtu=1430), "10.8.0.6/24")
    assert one.pings("10.8.0.6")


def test_a_reboot_makes_the_same_again(stage: Stage, sites: tuple[Site, Site]) -> None:
    """With every namespace of the deployment lost, the same call brings the same interface back."""
    one, two = stage.machine(), stage.machine()
    sites[1].attach(two, vxlan(13), "10.8.0.6/24")
    sites[0].attach(one, vxlan(13), "10.8.0.5/24")
    links = one.run("ip", "-br", "link", "show", "dev", "eth0")
    for name in (sites[0].fabric._switches.namespace, one.name):
        netns.remove_namespace(name)
    netns.ensure_namespace(one.name)
    sites[0].attach(one, vxlan(13), "10.8.0.5/24")
    assert one.run("ip", "-br", "link", "show", "dev", "eth0") == links
    assert two.pings("10.8.0.5")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vxlan_local": ip_address("10.98.0.1")}, "vxlan_local = 10.98.0.1"),
        ({"vxlan_device": "nowhere"}, "vxlan_device = nowhere"),
        ({"vxlan_group": ip_address("239.0.0.1")}, "vxlan_group needs vxlan_device"),
    ],
)
def test_probe_names_each_fault(
    stage: Stage, hosts: tuple[Machine, Machine], options: dict[str, object], said: str
) -> None:
    """Each wrong VXLAN option is one line."""
    site = stage.site(hosts[0], **{"vxlan_local": ip_address(UNDERLAY[0]), **options})
    (fault,) = site.host.call(site.fabric.probe)
    assert said in fault


@pytest.mark.parametrize("vni", [None, 0, 1 << 24])
def test_impossible_ids_are_refused(stage: Stage, sites: tuple[Site, Site], vni: int) -> None:
    """A VNI outside the range is an error that tells the range."""
    with pytest.raises(LinuxError, match="from 1 to 16777215"):
        sites[0].attach(stage.machine(), vxlan(vni), "10.8.0.5/24")
