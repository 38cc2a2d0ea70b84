"""A file system in a sparse file: made, attached to a loop device, grown, trimmed, deleted."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from abaca.errors import LinuxError
from abaca.linux import mounts
from abaca.linux.lock import run_holding

MINIMUM_BYTES = 128 << 20
"""Less than this, mkfs.btrfs refuses (109 MiB) or leaves no room for data."""
ROOM_BYTES = 16 << 20
"""Where less is free, there was no room for an empty file system."""
_BLOCK = 512
_DELETED = " (deleted)"
_LOOP_CLR_FD = 0x4C01
_LOOP_GET_STATUS64 = 0x4C05
_LOOP_SET_CAPACITY = 0x4C07
_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_STATUS_BYTES = 232
"""``struct loop_info64``; it begins with device and inode of the file."""
_NAME_BYTES = 64
_CHUNK = 1 << 16
_ZEROS = bytes(_CHUNK)
_PATIENCE = 10.0
_PAUSE = 0.01
_DETACHED = {errno.ENOENT, errno.ENODEV, errno.ENXIO}
"""Of a loop device that has just gone; any other error does not mean that it has."""


class Image:
    """One btrfs image file. Sizes are bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """True if the file is there with a file system in it."""
        return self.path.exists()

    @property
    def size(self) -> int:
        """What the file system may grow to."""
        return self.path.stat().st_size

    @property
    def allocated(self) -> int:
        """What it takes of the host's file system now; nothing if it is not there."""
        try:
            return self.path.stat().st_blocks * _BLOCK
        except FileNotFoundError:
            return 0

    def make(self, size: int) -> None:
        """Make the file with an empty file system, under another name first."""
        if self.exists:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        room = os.statvfs(draft.parent)
        if room.f_bavail * room.f_frsize < ROOM_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        try:
            with draft.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                _format(file, _rounded(size))
                file.flush()
                os.fsync(file.fileno())
        except (LinuxError, OSError):
            draft.unlink()  # so that there is room for what has to be written to go on
            raise
        draft.rename(self.path)

    def device(self) -> str | None:
        """The loop device that it is attached to, if any."""
        with suppress(FileNotFoundError):
            mine = self.path.stat()
            for folder in Path("/sys/block").glob("loop*/loop"):
                device = f"/dev/{folder.parent.name}"
                if _names(folder, self.path) and _carries(device, mine):
                    return device
        return None

    def attach(self) -> str:
        """Attach it to a loop device, which is returned."""
        return self.device() or _attach(self.path)

    def grow(self, size: int, top: Path) -> None:
        """Let it hold at least so many bytes; ``top`` is where it is mounted.

        File, loop device and file system are compared one after the other, so
        a growth that was cut short is finished by the next one.
        """
        if self.size < size:
            os.truncate(self.path, _rounded(size))
        there = mounts.mounted(top)
        device = self.attach() if there is None else there.source
        if _device_size(device) < self.size:
            _ask(device, _LOOP_SET_CAPACITY)
        room = os.statvfs(top)
        if room.f_blocks * room.f_frsize < self.size:
            run_holding("btrfs", "filesystem", "resize", "max", str(top))

    def trim(self, top: Path) -> None:
        """Give unused blocks back to the host."""
        run_holding("fstrim", str(top), timeout=300)

    def remove(self) -> None:
        """Detach and delete it; it must not be mounted. Succeeds if there is none."""
        if self.exists:
            device = self.device()
            if device is not None:
                detach(device)
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".new").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A loop device, and the file that it is attached to."""

    device: str
    path: Path
    deleted: bool


def loops(under: Path) -> list[Loop]:
    """The loop devices on files in a directory, or that were in it."""
    found = []
    for folder in Path("/sys/block").glob("loop*/loop"):
        with suppress(OSError):
            text = (folder / "backing_file").read_text().rstrip("\n")
            path = Path(text.removesuffix(_DELETED))
            if under in path.parents:
                device = f"/dev/{folder.parent.name}"
                found.append(Loop(device=device, path=path, deleted=text.endswith(_DELETED)))
    return sorted(found, key=lambda item: item.device)


def detach(device: str) -> None:
    """It is attached to nothing, once nobody uses it."""
    try:
        _ask(device, _LOOP_CLR_FD)
    except OSError as error:
        if error.errno not in _DETACHED:
            raise


def _attach(path: Path) -> str:
    """Attach the file to a free loop device."""
    deadline = time.monotonic() + _PATIENCE
    with path.open("r+b", 0) as file, Path("/dev/loop-control").open("rb", 0) as control:
        name = os.fsencode(path)[: _NAME_BYTES - 1]
        wanted = struct.pack("I60x64s176x", file.fileno(), name)
        while True:
            device = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            try:
                _ask(device, _LOOP_CONFIGURE, wanted)
            except OSError as error:
                # Somebody was quicker, or is looking at it.
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return device


def _ask(device: str, request: int, argument: bytes = b"") -> None:
    with Path(device).open("r+b", 0) as opened:
        fcntl.ioctl(opened, request, argument) if argument else fcntl.ioctl(opened, request)


def _format(target: BinaryIO, size: int) -> None:
    """Write an empty file system of this size, with quotas.

    mkfs waits for the disk ten times: so it works in memory, and we wait once.
    """
    with os.fdopen(os.memfd_create("image", os.MFD_CLOEXEC), "rb", 0) as made:
        source = made.fileno()
        os.truncate(source, size)
        options = ("--quiet", "--metadata", "single", "--runtime-features", "quota")
        run_holding("mkfs.btrfs", *options, f"/proc/self/fd/{source}", keep_fds=(source,))
        target.truncate(size)
        for start, end in _data(source, size):
            for offset in range(start, end, _CHUNK):
                chunk = os.pread(source, min(_CHUNK, end - offset), offset)
                if chunk != _ZEROS[: len(chunk)]:
                    target.seek(offset)
                    target.write(chunk)


def _data(source: int, size: int) -> Iterator[tuple[int, int]]:
    """Where the file is written; the rest is zeros."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(source, start, os.SEEK_HOLE)
        yield start, end


def _names(folder: Path, path: Path) -> bool:
    """False for most of a host's loop devices, without opening them."""
    try:
        return (folder / "backing_file").read_text().rstrip("\n").endswith(path.name)
    except OSError as error:
        if error.errno in _DETACHED:
            return False
        raise


def _carries(device: str, file: os.stat_result) -> bool:
    """True if the loop device is attached to this file, whatever its path."""
    status = bytearray(_LOOP_STATUS_BYTES)
    try:
        with Path(device).open("rb", 0) as opened:
            fcntl.ioctl(opened, _LOOP_GET_STATUS64, status)
    except OSError as error:
        if error.errno in _DETACHED:
            return False
        raise
    return struct.unpack_from("QQ", status) == (file.st_dev, file.st_ino)


def _device_size(device: str) -> int:
    return int(Path(f"/sys/class/block/{Path(device).name}/size").read_text()) * _BLOCK


def _rounded(size: int) -> int:
    """At least the minimum, and a whole number of MiB."""
    return max(MINIMUM_BYTES, -(-size // (1 << 20)) * (1 << 20))


def mount_top(image: Image, target: Path) -> str:
    """Attach the image and mount its top directory; returns the device."""
    device = image.attach()
    mounts.mount(device, target, kind="btrfs", options="subvolid=5,discard=async")
    return device
