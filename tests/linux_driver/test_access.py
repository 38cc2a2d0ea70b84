"""Access rules take effect exactly, at once, and without disturbing anybody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from threading import Event

import pytest

from abaca.drivers.driver import AccessLevel, AccessRule
from abaca.errors import AccessRuleUnsupported
from support.hostns import Host
from support.linux_scene import Backend, a_share, flat, scene
from support.nfs4 import ROFS, Nfs4Client, NfsError

pytestmark = pytest.mark.dataplane

RW, RO = AccessLevel.READ_WRITE, AccessLevel.READ_ONLY


def rule(network: str, level: AccessLevel) -> AccessRule:
    """A rule for a network."""
    return AccessRule(network=ip_network(network), level=level)


def test_open_file_is_lost_by_deny_and_nobody_else_notices(backend: Backend) -> None:
    """After deny, operations on an open file fail; another client's go on, on the same server."""
    made = scene(backend)
    beside = a_share(backend, 1, name="b", export=6)
    made.driver.ensure_share(beside, None)
    made.driver.apply_access(beside, [made.rule()])
    address = made.location.partition(":")[0]
    pid = daemon(backend.host)
    with (
        Nfs4Client(made.machine.netns, address) as victim,
        Nfs4Client(made.machine.netns, address) as other,
    ):
        mine = victim.open(f"/shares/{made.share.id}", "f", create=True)
        theirs = other.open(f"/shares/{beside.id}", "f", create=True)
        assert victim.write(mine.handle, b"x", stateid=mine.stateid) == 1
        made.driver.apply_access(made.share, [])
        with pytest.raises(NfsError):
            victim.write(mine.handle, b"y", stateid=mine.stateid)
        with pytest.raises(NfsError):
            victim.read(mine.handle, stateid=mine.stateid)
        for block in range(20):
            data = bytes([block]) * 1000
            assert other.write(theirs.handle, data, offset=1000 * block, stateid=theirs.stateid)
        made.driver.apply_access(made.share, [made.rule()])
        assert victim.write(mine.handle, b"z", stateid=mine.stateid) == 1
    assert daemon(backend.host) == pid


def test_another_machine_copies_on_while_one_loses_the_same_share(made_host: Host) -> None:
    """Two machines have a rule each: one's is taken away while the other copies to the share."""
    backend = flat(made_host)
    made = scene(backend)
    beside = backend.machine(2)
    mine, theirs = rule("10.9.0.101/32", RW), rule("10.9.0.102/32", RW)
    made.driver.apply_access(made.share, [mine, theirs])
    block = bytes(range(256)) * 64
    under_way, denied = Event(), Event()

    def copy() -> int:
        """Blocks until the rule has gone, and as many again after it."""
        with Nfs4Client(beside.netns, "10.9.0.1") as client:
            file = client.open(f"/shares/{made.share.id}", "copy", create=True)
            count, most = 0, 2000
            while count < most:
                offset = count * len(block)
                assert client.write(file.handle, block, offset=offset, stateid=file.stateid)
                count += 1
                if count == 5:
                    under_way.set()
                if denied.is_set() and most == 2000:
                    most = 2 * count
            return count

    with ThreadPoolExecutor(1) as threads, Nfs4Client(made.machine.netns, "10.9.0.1") as victim:
        file = victim.open(f"/shares/{made.share.id}", "f", create=True)
        assert victim.write(file.handle, b"x", stateid=file.stateid) == 1
        copying = threads.submit(copy)
        assert under_way.wait(60)
        made.driver.apply_access(made.share, [theirs])
        denied.set()
        with pytest.raises(NfsError):
            victim.write(file.handle, b"y", stateid=file.stateid)
        with pytest.raises(NfsError):
            victim.handle(f"/shares/{made.share.id}")
        blocks = copying.result(120)
    assert blocks >= 10
    with Nfs4Client(beside.netns, "10.9.0.1") as client:
        handle = client.handle(f"/shares/{made.share.id}/copy")
        for number in range(blocks):
            assert client.read(handle, offset=number * len(block), count=len(block)) == block


def daemon(host: Host) -> list[str]:
    """Identity files of the NFS servers: PID and start time."""
    folder = Path("/run/abaca") / host.deployment
    return [path.read_text() for path in sorted(folder.rglob("ganesha.identity"))]


def test_most_specific_rule_decides(made_host: Host, tmp_path: Path) -> None:
    """A host's own rule wins over its network's, whichever way round and in whatever order."""
    backend = flat(made_host)
    made = scene(backend)
    source = tmp_path / "f"
    source.write_text("x")
    address = "10.9.0.101/32"
    wide = "10.9.0.0/24"
    for rules in (
        [rule(wide, RW), rule(address, RO)],
        [rule(address, RO), rule(wide, RW)],
    ):
        made.driver.apply_access(made.share, rules)
        with Nfs4Client(made.machine.netns, "10.9.0.1") as client, pytest.raises(NfsError) as no:
            client.open(f"/shares/{made.share.id}", "f", create=True)
        assert no.value.status == ROFS
    made.driver.apply_access(made.share, [rule(wide, RO), rule(address, RW)])
    assert made.machine.write(made.location, "g", source).returncode == 0
    made.driver.apply_access(made.share, [rule("0.0.0.0/0", RW), rule(wide, RO)])
    assert made.machine.list(made.location).returncode == 0
    assert made.machine.write(made.location, "h", source).returncode != 0
    made.driver.apply_access(made.share, [rule("0.0.0.0/0", RW)])
    assert made.machine.write(made.location, "h", source).returncode == 0
    made.driver.apply_access(made.share, [rule("10.9.0.0/26", RW)])
    assert made.machine.list(made.location).returncode != 0


def test_ipv6_client_and_rule(made_host: Host) -> None:
    """A client mounts over IPv6 by an IPv6 rule, and not without."""
    backend = flat(made_host)
    made = scene(backend)
    assert made.locations[1].path == f"[fd09::1]:/shares/{made.share.id}"
    path = f"/shares/{made.share.id}"
    with Nfs4Client(made.machine.netns, "fd09::1") as client:
        with pytest.raises(NfsError):
            client.handle(path)
        for network in ("fd09::100/127", "fd09::/64", "::/0", "fd09::101/128"):
            made.driver.apply_access(made.share, [rule(network, RO)])
            client.handle(path)
            made.driver.apply_access(made.share, [rule("fd09::102/128", RO)])
            with pytest.raises(NfsError):
                client.handle(path)
        with pytest.raises(AccessRuleUnsupported):
            made.driver.apply_access(made.share, [rule("fd09::/100", RW)])
        made.driver.apply_access(made.share, [rule("fd09::101/128", RW)])
        opened = client.open(path, "f", create=True)
        assert client.write(opened.handle, b"six", stateid=opened.stateid) == 3
    assert made.machine.list(made.location).returncode != 0


def test_rules_survive_ensure_and_restart(backend: Backend) -> None:
    """Ensuring a share again, from a new driver instance, leaves its rules in force."""
    made = scene(backend)
    made.driver.apply_access(made.share, [made.rule(RO)])
    again = backend.driver()
    again.start()
    assert again.ensure_share(made.share, None) == made.locations
    address = made.location.partition(":")[0]
    with Nfs4Client(made.machine.netns, address) as client:
        client.handle(f"/shares/{made.share.id}")
        with pytest.raises(NfsError) as refused:
            client.open(f"/shares/{made.share.id}", "f", create=True)
    assert refused.value.status == ROFS
