"""Images and subvolumes on a real kernel; locks that outlive their holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from abaca.errors import LinuxError
from abaca.linux import btrfs, mounts
from abaca.linux.command import run
from abaca.linux.daemon import Daemon
from abaca.linux.image import Image, loops, mount_top
from abaca.linux.lock import LockTimeout, locked
from abaca.testing.wait import until

MIB = 1 << 20


@dataclass
class Volume:
    """A mounted image."""

    image: Image
    top: Path
    device: str


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    """A mounted image of 200 MiB; nothing of it is left afterwards."""
    image, top = Image(tmp_path / "a.img"), tmp_path / "top"
    try:
        image.make(200 * MIB)
        device = mount_top(image, top)
        btrfs.enable_quotas(top)
        yield Volume(image, top, device)
    finally:
        mounts.unmount(top)
        image.remove()


@pytest.mark.dataplane
def test_image_twice_and_gone(volume: Volume) -> None:
    """Made, attached and mounted twice it is one; removed twice it is gone with its device."""
    volume.image.make(500 * MIB)
    assert volume.image.size == 200 * MIB
    assert mount_top(volume.image, volume.top) == volume.device
    assert len([item for item in mounts.table() if item.target == volume.top.resolve()]) == 1
    assert volume.image.allocated < 20 * MIB
    for _ in range(2):
        mounts.unmount(volume.top)
        volume.image.remove()
        assert volume.image.device() is None
        assert not volume.image.exists


@pytest.mark.dataplane
def test_a_new_image_is_small_and_counts_from_the_beginning(volume: Volume) -> None:
    """Nothing but its metadata takes room, and its quota groups are right as they are."""
    assert volume.image.allocated < 2 * MIB
    assert "0/5" in run("btrfs", "qgroup", "show", str(volume.top))
    mounts.unmount(volume.top)
    assert "ERROR" not in run("btrfs", "check", "--qgroup-report", volume.device)


@pytest.mark.dataplane
def test_many_images_at_once(tmp_path: Path) -> None:
    """Attached by several threads at once, each has a loop device of its own."""
    images = [Image(tmp_path / f"{number}.img") for number in range(6)]
    try:
        for image in images:
            image.path.write_bytes(bytes(MIB))
        with ThreadPoolExecutor(len(images)) as pool:
            devices = list(pool.map(Image.attach, images))
        assert len(set(devices)) == len(images)
        assert [image.device() for image in images] == devices
    finally:
        for image in images:
            image.remove()
    assert [item for item in loops(tmp_path) if not item.deleted] == []


@pytest.mark.dataplane
@pytest.mark.parametrize("stage", ["file", "device", "whole"])
def test_growth_is_finished(volume: Volume, stage: str) -> None:
    """A growth that was cut short after any of its parts is finished by the next one."""
    os.truncate(volume.image.path, 400 * MIB)
    if stage != "file":
        run("losetup", "--set-capacity", volume.device)
    if stage == "whole":
        run("btrfs", "filesystem", "resize", "max", str(volume.top))
    for _ in range(2):
        volume.image.grow(400 * MIB, volume.top)
        room = os.statvfs(volume.top)
        assert room.f_blocks * room.f_frsize == 400 * MIB


@pytest.mark.dataplane
def test_subvolume_has_its_quota(volume: Volume) -> None:
    """Writes stop at the limit, also one set after it was passed; a higher one lets them go on."""
    share = volume.top / "share"
    for _ in range(2):
        btrfs.create(share, mode=0o777, limit=10 * MIB)
    assert share.stat().st_mode & 0o777 == 0o777
    with pytest.raises(OSError, match="quota"):
        (share / "big").write_bytes(bytes(20 * MIB))
    btrfs.set_limit(share, 2 * MIB)
    btrfs.set_limit(share, 50 * MIB)
    (share / "more").write_bytes(bytes(5 * MIB))
    assert 5 * MIB < btrfs.referenced(share) < 50 * MIB


@pytest.mark.dataplane
def test_snapshot_exchange_delete(volume: Volume) -> None:
    """A snapshot keeps its content, trades places in one move, and is deleted twice."""
    share, copy = volume.top / "share", volume.top / "copy"
    btrfs.create(share, mode=0o777, limit=10 * MIB)
    (share / "f").write_text("one")
    btrfs.copy(share, copy, limit=None, read_only=True)
    (share / "f").write_text("two")
    btrfs.copy(share, copy, limit=None, read_only=True)
    assert (copy / "f").read_text() == "one"
    btrfs.exchange(share, copy)
    assert ((share / "f").read_text(), (copy / "f").read_text()) == ("one", "two")
    for _ in range(2):
        btrfs.delete(copy)
        assert not btrfs.is_subvolume(copy)
    with pytest.raises(LinuxError):
        btrfs.exchange(share, copy)


@pytest.mark.dataplane
def test_leftover_of_a_crash_is_replaced(volume: Volume) -> None:
    """A subvolume that was not finished is never taken for one that is."""
    share = volume.top / "share"
    run("btrfs", "subvolume", "create", str(volume.top / ".new-share"))
    (volume.top / ".new-share" / "junk").write_text("junk")
    btrfs.create(share, mode=0o755, limit=10 * MIB)
    assert list(share.iterdir()) == []
    assert not (volume.top / ".new-share").exists()


@pytest.mark.dataplane
def test_busy_mount_is_let_go(volume: Volume) -> None:
    """A mount that a process holds is detached after some patience."""
    with (volume.top / "held").open("w"):
        mounts.unmount(volume.top, patience=0.3)
        assert mounts.mounted(volume.top) is None


def test_lock_keeps_others_out(tmp_path: Path) -> None:
    """A second holder waits, gives up in time, and enters when the first has left."""
    path = tmp_path / "lock"
    with locked(path), pytest.raises(LockTimeout), locked(path, timeout=0.2):
        pytest.fail("two holders at once")
    with locked(path, timeout=0.2):
        pass


def test_lock_file_may_be_deleted_by_its_holder(tmp_path: Path) -> None:
    """Who waited for a deleted lock file locks the one that is there now."""
    path = tmp_path / "lock"
    inside: list[int] = []

    def work() -> None:
        for _ in range(20):
            with locked(path, timeout=20):
                inside.append(1)
                assert len(inside) == 1
                time.sleep(0.001)
                inside.pop()
                path.unlink()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert inside == []
    assert not path.exists()


HOLDER = """
import sys
from pathlib import Path
from abaca.linux.lock import locked, run_holding
with locked(Path(sys.argv[1])):
    run_holding("sleep", sys.argv[2])
"""


def test_lock_is_held_until_the_last_child_is_gone(tmp_path: Path) -> None:
    """After kill -9 of the holder its running child keeps the lock, and only that long."""
    path, seconds = tmp_path / "lock", f"{time.time_ns() % 10**6 + 300}.5"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), seconds])
    try:
        until(lambda: bool(sleepers(seconds)), "the child works")
        (child,) = sleepers(seconds)
        holder.kill()
        holder.wait(10)
        with pytest.raises(LockTimeout), locked(path, timeout=0.2):
            pytest.fail("the child still works")
        os.kill(child, signal.SIGKILL)
        with locked(path, timeout=20):
            pass
    finally:
        holder.kill()
        holder.wait(10)
        for pid in sleepers(seconds):
            os.kill(pid, signal.SIGKILL)


def sleepers(seconds: str) -> list[int]:
    """PIDs of those who sleep so long."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if (folder / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(folder.name))
    return found


def test_daemon_is_found_without_its_record(tmp_path: Path) -> None:
    """A daemon whose start was not recorded is adopted, not started again, and stopped."""
    marker = f"{time.time_ns() % 10**6 + 300}.25"
    daemon = Daemon(
        program="sleep", marker=marker, record=tmp_path / "identity", log=tmp_path / "log"
    )
    try:
        first = daemon.start(["sleep", marker], netns=None)
        (tmp_path / "identity").unlink()
        assert daemon.start(["sleep", marker], netns=None) == first
        assert daemon.identity() == first
    finally:
        for _ in range(2):
            daemon.stop()
    assert daemon.identity() is None


def test_daemon_of_a_new_server_is_not_looked_for(tmp_path: Path) -> None:
    """What says that it was never started is believed, until a start, and not of that one."""
    marker = f"{time.time_ns() % 10**6 + 300}.75"
    daemon = Daemon(
        program="sleep", marker=marker, record=tmp_path / "identity", log=tmp_path / "log"
    )
    try:
        daemon.never_started()
        assert daemon.identity() is None
        first = daemon.start(["sleep", marker], netns=None)
        assert daemon.identity() == first
        daemon.never_started()
        assert daemon.identity() is None
        daemon.record.unlink()
        assert daemon.identity() == first
        assert daemon.start(["sleep", marker], netns=None) == first
        daemon.kill()
    finally:
        daemon.stop()
    assert sleepers(marker) == []


def test_daemon_that_ends_at_once_says_why(tmp_path: Path) -> None:
    """A program that can't start is an error with its last words."""
    daemon = Daemon(
        program="ls", marker="/not/there", record=tmp_path / "identity", log=tmp_path / "log"
    )
    with suppress(LinuxError):
        daemon.start(["ls", "/not/there"], netns=None)
    until(lambda: daemon.identity() is None, "the program ends")
    assert "/not/there" in daemon.last_words()
