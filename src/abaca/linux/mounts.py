"""Mounts: what is mounted where, mount, unmount."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from abaca.errors import LinuxError

_ESCAPE = re.compile(r"\\([0-7]{3})")
_SPECIAL = re.compile(r"[ \t\n\\]")
_FLAGS = 0x2 | 0x4 | 0x8 | 0x400
"""nosuid, nodev, noexec, noatime"""
_MNT_DETACH = 2
_PAUSE = 0.02
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of the mount table of this process."""

    target: Path
    root: str
    """Which directory of the file system is mounted (``/`` or a subvolume's path)."""
    kind: str
    source: str
    read_only: bool = False
    """The file system takes no writes: it is mounted so, or it became so by an error."""


def table(under: Path | None = None) -> list[Mount]:
    """Every mount that this process sees (below a directory), oldest first.

    Source: /proc/self/mountinfo.
    """
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    if under is None:
        return [_parse(line) for line in lines]
    # Of a host's many mounts most are out after this one comparison.
    mark = f" {_escaped(under).rstrip('/')}/"
    found = (_parse(line) for line in lines if mark in line)
    return [item for item in found if under in item.target.parents]


def mounted(target: Path) -> Mount | None:
    """What is mounted on this directory (the topmost), if anything."""
    resolved = target.resolve()
    mark = f" {_escaped(resolved)} "
    lines = reversed(Path("/proc/self/mountinfo").read_text().splitlines())
    found = (_parse(line) for line in lines if mark in line)
    return next((item for item in found if item.target == resolved), None)


def mount(device: str, target: Path, *, kind: str, options: str = "") -> None:
    """Mount the device; nothing happens if it is mounted there already."""
    there = mounted(target)
    if there is not None:
        if there.source != device:
            raise LinuxError(f"{target} already carries {there.source}, not {device}")
        return
    target.mkdir(parents=True, exist_ok=True)
    names = [os.fsencode(text) for text in (device, target, kind)]
    if _libc.mount(*names, ctypes.c_ulong(_FLAGS), options.encode()) != 0:
        raise _failure(f"mounting {device}", target)


def unmount(target: Path, *, patience: float = 5.0) -> None:
    """Unmount whatever is on the directory and remove it; succeeds if nothing is there.

    A busy mount is tried again for ``patience`` seconds, then detached: the
    kernel drops it when its last open file is closed.
    """
    deadline = time.monotonic() + patience
    while mounted(target) is not None:
        late = time.monotonic() > deadline
        if _libc.umount2(os.fsencode(target), _MNT_DETACH if late else 0) != 0:
            failure = _failure("unmounting", target)
            if failure.errno != errno.EBUSY and mounted(target) is not None:
                raise failure
            time.sleep(_PAUSE)
    if target.is_dir():
        target.rmdir()


def _failure(doing: str, target: Path) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{doing}: {os.strerror(code)}", str(target))


def _parse(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    kind, source, options = after.split(" ")[:3]
    return Mount(
        target=Path(_plain(fields[4])),
        root=_plain(fields[3]),
        kind=kind,
        source=_plain(source),
        read_only="ro" in options.split(","),
    )


def _escaped(path: Path) -> str:
    return _SPECIAL.sub(lambda found: f"\\{ord(found[0]):03o}", str(path))


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
