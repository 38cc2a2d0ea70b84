"""Subvolumes with quotas, and snapshots, inside a mounted btrfs. Sizes are bytes."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from abaca.errors import CommandFailed, LinuxError
from abaca.linux.lock import run_holding

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
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
    _btrfs("quota", "enable", str(top))


def create(path: Path, *, mode: int, limit: int) -> None:
    """An empty subvolume at ``path`` with this mode and quota; nothing if it is there.

    It is finished under another name first, so one that exists is complete.
    """
    if is_subvolume(path):
        return
    draft = _draft(path)
    _btrfs("subvolume", "create", str(draft))
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
    for line in _btrfs("subvolume", "show", str(path)).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Subvolume ID":
            return int(value)
    raise LinuxError(f"btrfs shows no subvolume ID for {path}")


def set_limit(path: Path, limit: int) -> None:
    """Let it refer to at most so many bytes (works also when it is over already)."""
    # By ID and on the parent: with the subvolume's own path this fails once it is over quota.
    number = subvolume_id(path)
    _btrfs("qgroup", "limit", str(limit), f"0/{number}", str(path.parent))


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


def _btrfs(*arguments: str) -> str:
    return run_holding("btrfs", *arguments)
