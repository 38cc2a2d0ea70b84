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
    reboot(root)
    tag = root.name.removeprefix(PREFIX)
    for name in namespaces():
        if name.startswith(f"{PREFIX}{tag}-"):
            remove_namespace(name)
    shutil.rmtree(root, ignore_errors=True)


def reboot(root: Path) -> None:
    """What a reboot does to Abaca: only files are left of it."""
    _kill(str(root))
    for point in sorted(mounts(root), reverse=True):
        with suppress(CommandFailed):
            run("umount", "--lazy", point)
    for device in loops(root):
        with suppress(CommandFailed):
            run("losetup", "--detach", device)
    deployment = _deployment(root)
    for name in namespaces():
        if deployment and deployment in name:
            remove_namespace(name)
    for folder in _run_path(root):
        shutil.rmtree(folder, ignore_errors=True)


def world(root: Path) -> set[str]:
    """What is there of it: namespaces, mounts, loop devices, processes and image files."""
    deployment = _deployment(root)
    return {
        *(f"namespace {name}" for name in namespaces() if deployment and deployment in name),
        *(f"mount {point}" for point in mounts(root)),
        *(f"loop {device}" for device in loops(root)),
        *(f"process {pid}" for pid in processes(str(root))),
        *(f"image {path}" for path in root.rglob("*.img")),
    }


def marks(root: Path) -> list[str]:
    """What all that belongs to it is known by."""
    deployment = _deployment(root)
    return [root.name] if deployment is None else [root.name, deployment]


def files(root: Path) -> list[str]:
    """Files that shares and share servers left, in the storage and among the run-time files."""
    storage = [path for path in root.iterdir() if path.is_dir() and path.name != "state"]
    found = (path for folder in [*storage, *_run_path(root)] for path in folder.rglob("*"))
    return sorted(f"file {path}" for path in found if path.is_file() and path.suffix != ".lock")


def _run_path(root: Path) -> list[Path]:
    deployment = _deployment(root)
    return [] if deployment is None else [Path("/run/abaca", deployment)]


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
    while (found := processes(marker)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def processes(marker: str) -> list[int]:
    """Processes whose arguments have the marker, but for this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                marker.encode() in (entry / "cmdline").read_bytes()
                and int(entry.name) != os.getpid()
            ):
                found.append(int(entry.name))
    return found


def mounts(root: Path) -> list[str]:
    """Mount points below the folder."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = (line.split()[1] for line in lines)
    return [point for point in points if Path(point).is_relative_to(root)]


def loops(root: Path) -> list[str]:
    """Loop devices whose file is below the folder."""
    table = run("losetup", "--noheadings", "--output", "NAME,BACK-FILE")
    rows = (line.split(maxsplit=1) for line in table.splitlines())
    return [row[0] for row in rows if len(row) > 1 and str(root) in row[1]]
