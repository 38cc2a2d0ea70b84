"""Named network namespaces."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from abaca.errors import LinuxError
from abaca.linux import netns
from abaca.linux.command import process_identity, run, start_daemon, stop_process
from abaca.testing.wait import until

pytestmark = pytest.mark.dataplane


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody has; whatever gets it is removed."""
    chosen = f"qa-netns-{uuid.uuid4().hex[:8]}"
    yield chosen
    netns.remove_namespace(chosen)


def test_made_once_and_seen_by_ip_netns(name: str) -> None:
    """Ensure twice gives one namespace, the same, with loopback up, known to iproute2."""
    netns.ensure_namespace(name)
    first = netns.path(name).stat().st_ino
    netns.ensure_namespace(name)
    assert netns.path(name).stat().st_ino == first
    assert name in netns.namespaces()
    assert name in run("ip", "netns", "list").split()
    assert "UP" in run("ip", "-n", name, "-br", "link", "show", "lo").split("<")[1]


def test_removed_twice(name: str) -> None:
    """After removal neither namespace nor file is there; again is fine."""
    netns.ensure_namespace(name)
    netns.remove_namespace(name)
    netns.remove_namespace(name)
    assert not netns.exists(name)
    assert not netns.path(name).exists()


FIRST_OF_ALL = '''
import sys, threading
from abaca.linux import mounts, netns
from abaca.linux.command import run

def shared():
    """How often the directory is mounted."""
    return [item.target for item in mounts.table()].count(netns.DIRECTORY)

run("mount", "-t", "tmpfs", "abaca", "/run")
hidden = shared()
for _ in range(20):
    names = [f"n{number}" for number in range(8)]
    ready = threading.Barrier(len(names))
    threads = [
        threading.Thread(target=lambda name=name: (ready.wait(), netns.ensure_namespace(name)))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert netns.namespaces() == names, netns.namespaces()
    assert shared() == hidden + 1
    for name in names:
        netns.remove_namespace(name)
    run("umount", str(netns.DIRECTORY))
'''


def test_the_first_of_a_host_may_be_several_at_once() -> None:
    """Where there was no namespace before, nobody's is hidden by what another one prepares."""
    run("unshare", "--mount", "--propagation", "private", sys.executable, "-c", FIRST_OF_ALL)


def test_a_file_left_over_is_mended(name: str) -> None:
    """A file on which nothing is mounted is not taken for a namespace, and is replaced."""
    netns.ensure_namespace(name)
    run("umount", str(netns.path(name)))
    assert netns.path(name).exists()
    assert not netns.exists(name)
    assert name not in netns.namespaces()
    netns.ensure_namespace(name)
    assert netns.exists(name)


def test_one_made_by_ip_netns_is_used(name: str) -> None:
    """What iproute2 made is a namespace like ours."""
    run("ip", "netns", "add", name)
    inode = netns.path(name).stat().st_ino
    netns.ensure_namespace(name)
    assert netns.path(name).stat().st_ino == inode


def test_calls_inside_leave_the_caller_outside(name: str) -> None:
    """The function sees the namespace, its result and its error come back, we stay where we are."""
    netns.ensure_namespace(name)
    ours = Path("/proc/thread-self/ns/net").stat().st_ino
    there = netns.call_inside(name, lambda: Path("/proc/thread-self/ns/net").stat().st_ino)
    assert there == netns.path(name).stat().st_ino
    with pytest.raises(ZeroDivisionError):
        netns.call_inside(name, lambda: 1 // 0)
    assert Path("/proc/thread-self/ns/net").stat().st_ino == ours
    netns.remove_namespace(name)
    with pytest.raises(LinuxError, match=f"no network namespace {name}"):
        netns.call_inside(name, lambda: None)


def test_a_daemon_starts_inside_and_sees_later_mounts(name: str, tmp_path: Path) -> None:
    """A daemon is in the network namespace, in our mount namespace, under its own PID."""
    netns.ensure_namespace(name)
    pid = start_daemon(["sleep", "60"], netns=name, log=tmp_path / "log")
    identity = process_identity(pid)
    try:
        own, wanted = Path(f"/proc/{pid}/ns/net"), netns.path(name).stat().st_ino
        until(lambda: own.stat().st_ino == wanted, "it is inside")
        until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "it is the program")
        assert Path(f"/proc/{pid}/ns/mnt").stat() == Path("/proc/self/ns/mnt").stat()
    finally:
        stop_process(*identity)
