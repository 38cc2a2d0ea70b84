"""What a tenant can not reach."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from pathlib import Path

import pytest

from abaca.drivers.driver import AccessLevel, AccessRule, ExportLocation
from abaca.linux import netns
from support.hostns import Host
from support.linux_scene import Backend, Scene, a_share, flat, managed, scene
from support.nfs4 import NOENT, STALE, Nfs4Client, NfsError

pytestmark = pytest.mark.dataplane

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
@pytest.mark.parametrize("versions", [["4"], ["3", "4"]], ids=["v4", "v3"])
def test_scan_of_all_ports_finds_nfs_only(made_host: Host, versions: list[str]) -> None:
    """From a tenant, every TCP port but NFS (and with NFSv3 its mount protocol) is closed."""
    backend = flat(made_host)
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


def test_other_segment_is_out_of_reach(made_host: Host) -> None:
    """In managed mode, a machine on another tenant's segment has no way to the server."""
    backend = managed(made_host)
    mine = scene(backend, 1)
    other = scene(backend, 2, driver=mine.driver)
    assert mine.machine.list(mine.location).returncode == 0
    address = other.location.partition(":")[0]
    mine.machine.run("ip", "route", "add", f"{address}/32", "dev", "eth0")
    assert mine.machine.run("ping", "-c", "2", "-W", "1", address).returncode != 0
