"""Mounts: what is mounted where, mount, unmount."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from abaca.errors import CommandFailed, LinuxError
from abaca.linux.lock import run_holding

_ESCAPE = re.compile(r"\\([0-7]{3})")
_OPTIONS = "nodev,nosuid,noexec,noatime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of the mount table of this process."""

    target: Path
    root: str
    """Which directory of the file system is mounted (``/`` or a subvolume's path)."""
    kind: str
    source: str


def table() -> list[Mount]:
    """Every mount that this process sees, oldest first. Source: /proc/self/mountinfo."""
    return [_parse(line) for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def mounted(target: Path) -> Mount | None:
    """What is mounted on this directory (the topmost), if anything."""
    resolved = target.resolve()
    return next((item for item in reversed(table()) if item.target == resolved), None)


def mount(device: str, target: Path, *, kind: str, options: str = "") -> None:
    """Mount the device; nothing happens if it is mounted there already."""
    there = mounted(target)
    if there is not None:
        if there.source != device:
            raise LinuxError(f"{target} already carries {there.source}, not {device}")
        return
    target.mkdir(parents=True, exist_ok=True)
    chosen = f"{_OPTIONS},{options}" if options else _OPTIONS
    run_holding("mount", "-t", kind, "-o", chosen, device, str(target))


def unmount(target: Path, *, patience: float = 5.0) -> None:
    """Unmount whatever is on the directory and remove it; succeeds if nothing is there.

    A busy mount is tried again for ``patience`` seconds, then detached: the
    kernel drops it when its last open file is closed.
    """
    deadline = time.monotonic() + patience
    while mounted(target) is not None:
        try:
            run_holding("umount", str(target))
        except CommandFailed as error:
            if time.monotonic() > deadline:
                run_holding("umount", "--lazy", str(target))
            elif mounted(target) is not None and "busy" not in error.output:
                raise
            time.sleep(0.1)
    if target.is_dir():
        target.rmdir()


def _parse(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    kind, source = after.split(" ")[:2]
    return Mount(
        target=Path(_plain(fields[4])), root=_plain(fields[3]), kind=kind, source=_plain(source)
    )


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)
