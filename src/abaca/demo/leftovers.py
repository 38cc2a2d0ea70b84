"""Takes away what a demonstration left: its own at the end, and aborted ones before a start."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from abaca.errors import CommandFailed
from abaca.linux.command import run
from abaca.linux.netns import namespaces, remove_namespace

PREFIX = "abaca-demo-"
OWNER = "owner.pid"
GONE_SECONDS = 5


def sweep() -> None:
    """Remove every demonstration on this machine whose process is gone."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _alive(root):
            remove(root)


def remove(root: Path) -> None:
    """Remove a demonstration's processes, mounts, loop devices, namespaces and files.

    Only what carries its folder's name is touched. Succeeds if there is nothing.
    """
    _kill(str(root))
    for point in sorted(_mounts(root), reverse=True):
        with suppress(CommandFailed):
            run("umount", "--lazy", point)
    for device in _loops(root):
        with suppress(CommandFailed):
            run("losetup", "--detach", device)
    tag = root.name.removeprefix(PREFIX)
    deployment = _deployment(root)
    for name in namespaces():
        if name.startswith(f"{PREFIX}{tag}-") or (deployment and deployment in name):
            remove_namespace(name)
    shutil.rmtree(root, ignore_errors=True)


def _deployment(root: Path) -> str | None:
    """The ID with which the service named its namespaces."""
    with suppress(OSError):
        return (root / "state" / "deployment").read_text().strip() or None
    return None


def _alive(root: Path) -> bool:
    try:
        pid = int((root / OWNER).read_text())
        return b"abaca.demo" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def _kill(marker: str) -> None:
    """Kill the processes whose arguments name the folder, but for this one."""
    deadline = time.monotonic() + GONE_SECONDS
    while (found := _processes(marker)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _processes(marker: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                marker.encode() in (entry / "cmdline").read_bytes()
                and int(entry.name) != os.getpid()
            ):
                found.append(int(entry.name))
    return found


def _mounts(root: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = (line.split()[1] for line in lines)
    return [point for point in points if Path(point).is_relative_to(root)]


def _loops(root: Path) -> list[str]:
    table = run("losetup", "--noheadings", "--output", "NAME,BACK-FILE")
    rows = (line.split(maxsplit=1) for line in table.splitlines())
    return [row[0] for row in rows if len(row) > 1 and str(root) in row[1]]
