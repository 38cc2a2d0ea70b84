"""Subvolumes with quotas, and snapshots, inside a mounted btrfs. Sizes are bytes."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

from abaca.errors import CommandFailed, LinuxError
from abaca.linux.lock import run_holding

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_SUBVOL_CREATE = 0x5000940E
_INO_LOOKUP = 0xD0009412
_QUOTA_CTL = 0xC0109428
_QUOTA_ENABLE = 1
_QGROUP_LIMIT = 0x8030942B
_LIMIT_REFERENCED = 1
"""Requests of linux/btrfs.h: what a share needs each time, without a program for each."""
_libc = ctypes.CDLL(None, use_errno=True)
_SUBVOLUME_INODE = 256
"""Every subvolume's top directory has this inode number, and no other directory has."""


def is_subvolume(path: Path) -> bool:
    """True if there is a subvolume at this path."""
    try:
        return path.stat().st_ino == _SUBVOLUME_INODE
    except FileNotFoundError:
        return False


def enable_quotas(top: Path) -> None:
    """Count what each subvolume refers to; idempotent."""
    _ioctl(top, _QUOTA_CTL, bytearray(struct.pack("QQ", _QUOTA_ENABLE, 0)))


def create(path: Path, *, mode: int, limit: int) -> None:
    """An empty subvolume at ``path`` with this mode and quota; nothing if it is there.

    It is finished under another name first, so one that exists is complete.
    """
    if is_subvolume(path):
        return
    draft = _draft(path)
    name = os.fsencode(draft.name)
    _ioctl(draft.parent, _SUBVOL_CREATE, bytearray(struct.pack("q4088s", 0, name)))
    draft.chmod(mode)
    set_limit(draft, limit)
    draft.rename(path)


def copy(source: Path, path: Path, *, limit: int | None, read_only: bool = False) -> None:
    """A snapshot of ``source`` at ``path``; nothing if it is there."""
    if is_subvolume(path):
        return
    draft = _draft(path)
    flags = ["-r"] if read_only else []
    _btrfs("subvolume", "snapshot", *flags, str(source), str(draft))
    if limit is not None:
        set_limit(draft, limit)
    draft.rename(path)


def delete(path: Path) -> None:
    """Delete the subvolume for good; succeeds if there is none."""
    for item in (_draft_path(path), path):
        if is_subvolume(item):
            _btrfs("subvolume", "delete", "--commit-after", str(item))


def subvolume_id(path: Path) -> int:
    """Its number, which is also that of its quota group."""
    asked = bytearray(struct.pack("QQ4080s", 0, _SUBVOLUME_INODE, b""))
    _ioctl(path, _INO_LOOKUP, asked)
    return int(struct.unpack_from("Q", asked)[0])


def set_limit(path: Path, limit: int) -> None:
    """Let it refer to at most so many bytes (works also when it is over already)."""
    # By ID and on the parent: with the subvolume's own path this fails once it is over quota.
    wanted = struct.pack("6Q", subvolume_id(path), _LIMIT_REFERENCED, limit, 0, 0, 0)
    _ioctl(path.parent, _QGROUP_LIMIT, bytearray(wanted))


def referenced(path: Path) -> int:
    """Bytes that it refers to, shared ones included, after all writes so far."""
    _btrfs("filesystem", "sync", str(path.parent))
    wanted = f"0/{subvolume_id(path)}"
    for line in _btrfs("qgroup", "show", "--raw", str(path.parent)).splitlines():
        fields = line.split()
        if fields and fields[0] == wanted:
            return int(fields[1])
    raise LinuxError(f"btrfs has no quota group {wanted} for {path}")


def exchange(one: Path, other: Path) -> None:
    """Let the two subvolumes trade names, atomically."""
    result = _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if result != 0:
        raise LinuxError(f"exchanging {one} and {other}: {os.strerror(ctypes.get_errno())}")


def settle_deleted(top: Path) -> None:
    """Let go of what deleted subvolumes held, blocks and quota groups.

    Waits for the blocks, at most a minute: what takes longer is given up later
    by the kernel itself.
    """
    try:
        _btrfs("subvolume", "sync", str(top))
        _btrfs("qgroup", "clear-stale", str(top))
    except CommandFailed:
        return


def _draft_path(path: Path) -> Path:
    return path.with_name(f".new-{path.name}")


def _draft(path: Path) -> Path:
    """A free name beside ``path``; a leftover of a crash is deleted."""
    draft = _draft_path(path)
    if is_subvolume(draft):
        _btrfs("subvolume", "delete", str(draft))
    return draft


def _ioctl(path: Path, request: int, argument: bytearray) -> None:
    """Ask the file system of this directory; `argument` is replaced by what it answers."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, request, argument)
    except OSError as failure:
        raise OSError(failure.errno, failure.strerror, str(path)) from failure
    finally:
        os.close(descriptor)


def _btrfs(*arguments: str) -> str:
    return run_holding("btrfs", *arguments)
