"""What a tenant can not reach."""

from __future__ import annotations

import json
import re
import select
import socket
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path

import pytest

from abaca.drivers.driver import AccessLevel, AccessRule, ExportLocation
from abaca.linux import netns
from abaca.testing.wait import until
from support.hostns import Host, Machine
from support.linux_scene import Backend, Scene, a_share, flat, managed, scene
from support.nfs4 import NOENT, STALE, Nfs4Client, NfsError

pytestmark = pytest.mark.dataplane

UDP_PORTS = (53, 111, 123, 875, 2049, 5353, 20048, 32803)
"""Name and time services, and all that belongs to NFS."""
SECRET = "only for its own project"


def written(made: Scene, tmp_path: Path, text: str = SECRET) -> None:
    """The share has a file ``f`` with this text."""
    source = tmp_path / "source"
    source.write_text(text)
    assert made.machine.write(made.location, "f", source).returncode == 0


def client(made: Scene, to: Scene | None = None) -> Nfs4Client:
    """A client on the machine of ``made``, to the server of ``to``."""
    target = to if to is not None else made
    return Nfs4Client(made.machine.netns, target.location.partition(":")[0])


def path_of(made: Scene, name: str = "f") -> str:
    """Path of a file from the server's root."""
    return f"{made.location.partition(':')[2]}/{name}"


def answers(attacker: Nfs4Client, own: bytes, foreign: bytes) -> set[bytes | int]:
    """What the server says to every mixture of the two handles, cut at every byte."""
    found: set[bytes | int] = set()
    for cut in range(len(own) + 1):
        for handle in (own[:cut] + foreign[cut:], foreign[:cut] + own[cut:]):
            try:
                found.add(attacker.read(handle))
            except NfsError as error:
                found.add(error.status)
    return found


def test_forged_handle_crosses_shares_but_not_projects(backend: Backend, tmp_path: Path) -> None:
    """A forged handle reads a denied share of the same project, and nothing of another one."""
    mine = scene(backend, 1)
    other = scene(backend, 2, driver=mine.driver)
    written(mine, tmp_path, "my own")
    written(other, tmp_path)
    beside = a_share(backend, 1, name="b", export=6)
    location = mine.driver.ensure_share(beside, None)[0].path
    mine.driver.apply_access(beside, [mine.rule()])
    sibling = Scene(backend, mine.driver, mine.machine, beside, [ExportLocation(path=location)])
    written(sibling, tmp_path, "of my project")

    with client(mine) as attacker, client(other) as owner:
        own = attacker.handle(path_of(mine))
        near = attacker.handle(path_of(sibling))
        far = owner.handle(path_of(other))
        assert owner.read(far) == SECRET.encode()
        mine.driver.apply_access(beside, [])
        mine.driver.apply_access(
            other.share,
            [AccessRule(network=ip_network("192.0.2.0/24"), level=AccessLevel.READ_ONLY)],
        )
        with pytest.raises(NfsError):
            attacker.read(near)
        # The kernel's part of a handle are its last 20 bytes: inode, subvolume, generation.
        assert attacker.read(own[:-20] + near[-20:]) == b"of my project"
        seen = answers(attacker, own, far)
        assert b"my own" in seen
        assert STALE in seen
        assert SECRET.encode() not in seen


def test_nobody_gets_in_without_a_rule(backend: Backend) -> None:
    """A share without rules can't be looked up, and its name is not shown."""
    made = scene(backend)
    made.driver.apply_access(made.share, [])
    assert made.machine.list(made.location).returncode != 0
    with client(made) as stranger:
        with pytest.raises(NfsError) as refused:
            stranger.handle(path_of(made, ""))
        assert refused.value.status == NOENT
    listed = made.machine.list(f"{made.location.partition(':')[0]}:/shares")
    assert listed.returncode == 0
    assert made.share.id not in listed.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("maker", "versions"),
    [(flat, ["4"]), (flat, ["3", "4"]), (managed, ["4"])],
    ids=["flat-v4", "flat-v3", "managed-v4"],
)
def test_scan_of_all_ports_finds_nfs_only(
    made_host: Host, maker: Callable[[Host], Backend], versions: list[str]
) -> None:
    """From a tenant, every TCP port but NFS (and with NFSv3 its mount protocol) is closed."""
    backend = maker(made_host)
    backend.values["nfs_versions"] = versions
    made = scene(backend)
    for location in made.locations:
        address = location.path.rpartition(":/")[0].strip("[]")
        found = netns.call_inside(made.machine.netns, lambda a=address: open_ports(a))
        assert found == ({2049} if versions == ["4"] else {2049, 20048})


def open_ports(address: str) -> set[int]:
    """TCP ports that accept a connection."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = set()
    for port in range(1, 65536):
        with socket.socket(family) as probe:
            probe.settimeout(2)
            if probe.connect_ex((address, port)) == 0:
                found.add(port)
    return found


@pytest.mark.parametrize("maker", [flat, managed])
def test_no_datagram_comes_in(made_host: Host, maker: Callable[[Host], Backend]) -> None:
    """From a tenant nothing reaches a UDP port, even one on which something listens."""
    made = scene(maker(made_host))
    (server,) = (name for name in made_host.servers() if not name.endswith("-switch"))
    with ExitStack() as stack:
        heard = netns.call_inside(server, listeners)
        for one in heard:
            stack.enter_context(one)
        for location in made.locations:
            address = location.path.rpartition(":/")[0].strip("[]")
            netns.call_inside(made.machine.netns, lambda a=address: send_to(a))
            assert select.select(heard, [], [], 0.5)[0] == []
            netns.call_inside(server, lambda a=address: send_to(a))
            until(
                lambda: len(select.select(heard, [], [], 0)[0]) == len(UDP_PORTS),
                "they do hear what comes from the server itself",
            )
            for one in heard:
                one.recv(100)


def listeners() -> list[socket.socket]:
    """A socket on each of the ports, for IPv4 and IPv6."""
    found = []
    for port in UDP_PORTS:
        one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(("::", port))
        found.append(one)
    return found


def send_to(address: str) -> None:
    """A datagram to each of the ports; a refusal of an earlier one does not matter."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in UDP_PORTS:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.sendto(b"anybody?", (address, port))


def test_the_host_itself_answers_nobody(made_host: Host) -> None:
    """On a bridge without addresses the host has none for tenants, not even a link-local one."""
    backend = flat(made_host)
    made_host.ip("link", "set", "br-flat", "addrgenmode", "none")
    made_host.ip("addr", "flush", "dev", "br-flat")
    made = scene(backend)
    (server,) = made_host.servers()
    servers, own = addresses(server), addresses(made.machine.netns)
    bridged = Machine(made_host.netns).run("ip", "-j", "link", "show", "master", "br-flat").stdout
    assert "m1" in bridged
    said = made.machine.run("ping", "-6", "-n", "-c", "2", "-W", "5", "ff02::1%eth0").stdout
    heard = {address.rstrip(":") for address in re.findall(r"from ([0-9a-f:]+)", said)}
    assert heard - own, f"nobody answered: {said}"
    assert heard <= servers | own
    made.machine.run("ip", "route", "add", "172.16.0.0/12", "dev", "eth0")
    for address in addresses(made_host.netns) - {"127.0.0.1", "::1"}:
        target = f"{address}%eth0" if address.startswith("fe80") else address
        answer = made.machine.run("ping", "-n", "-c", "1", "-W", "1", target)
        assert answer.returncode != 0, f"the host answers on {address}"


def addresses(namespace: str) -> set[str]:
    """Every address of a namespace."""
    links = json.loads(Machine(namespace).run("ip", "-j", "addr").stdout)
    return {item["local"] for link in links for item in link["addr_info"]}


def test_ipv6_location_in_managed_mode(made_host: Host) -> None:
    """A tenant's machine mounts the IPv6 location of its share server, by a rule, and writes."""
    made = scene(managed(made_host))
    location = made.locations[1].path
    address, _, path = location.rpartition(":")
    assert address == "[fd0a:1::9]"
    with Nfs4Client(made.machine.netns, address.strip("[]")) as six:
        with pytest.raises(NfsError):
            six.handle(path)
        network = ip_network("fd0a:1::/64")
        rule = AccessRule(network=network, level=AccessLevel.READ_WRITE)
        made.driver.apply_access(made.share, [made.rule(), rule])
        opened = six.open(path, "f", create=True)
        assert six.write(opened.handle, b"six", stateid=opened.stateid) == 3
    with client(made) as four:
        assert four.read(four.handle(path_of(made))) == b"six"


def test_other_segment_is_out_of_reach(made_host: Host) -> None:
    """In managed mode, a machine on another tenant's segment has no way to the server."""
    backend = managed(made_host)
    mine = scene(backend, 1)
    other = scene(backend, 2, driver=mine.driver)
    assert mine.machine.list(mine.location).returncode == 0
    address = other.location.partition(":")[0]
    mine.machine.run("ip", "route", "add", f"{address}/32", "dev", "eth0")
    assert mine.machine.run("ping", "-c", "2", "-W", "1", address).returncode != 0
