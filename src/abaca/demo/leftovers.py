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
from abaca.linux.command import is_running, process_identity, run
from abaca.linux.netns import namespaces, remove_namespace

PREFIX = "abaca-demo-"
OWNER = "owner.pid"
GONE_SECONDS = 5


def claim(root: Path) -> None:
    """Make the folder of a demonstration, and mark it as this process's."""
    # Under this name it is never without an owner: it would be taken for an aborted one's.
    fresh = root.with_name(f".{root.name}")
    fresh.mkdir(mode=0o700)
    (fresh / OWNER).write_text(" ".join(map(str, process_identity(os.getpid()))))
    fresh.rename(root)


def owner(root: Path) -> int | None:
    """The process that a demonstration belongs to, if it is alive."""
    try:
        pid, start_time = map(int, (root / OWNER).read_text().split())
    except (OSError, ValueError):
        return None
    return pid if is_running(pid, start_time) else None


def sweep() -> None:
    """Remove every demonstration on this machine whose process is gone."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if owner(root) is None:
            remove(root)


def remove(root: Path) -> None:
    """Remove a demonstration's processes, mounts, loop devices, namespaces and files.

    Only what carries its folder's name is touched. Succeeds if there is nothing.
    """
    reboot(root)
    _kill(root, wires=True)
    tag = root.name.removeprefix(PREFIX)
    for name in namespaces():
        if name.startswith(f"{PREFIX}{tag}-"):
            remove_namespace(name)
    shutil.rmtree(root, ignore_errors=True)


def reboot(root: Path) -> None:
    """What a reboot does to Abaca: only files on a disk are left of it."""
    _kill(root)
    # Looked for first: the files of those on a file system below the folder lose their names.
    devices = loops(root)
    for point in sorted(mounts(root), reverse=True):
        with suppress(CommandFailed):
            run("umount", "--lazy", point)
    for device in devices:
        with suppress(CommandFailed):
            run("losetup", "--detach", device)
    for name in server_namespaces(root):
        remove_namespace(name)
    for folder in _run_path(root):
        shutil.rmtree(folder, ignore_errors=True)


def world(root: Path) -> set[str]:
    """What is there of it: namespaces, mounts, loop devices, processes and image files."""
    return {
        *(f"namespace {name}" for name in server_namespaces(root)),
        *(f"mount {point}" for point in mounts(root)),
        *(f"loop {device}" for device in loops(root)),
        *(f"process {pid}" for pid in processes(root)),
        *(f"image {path}" for path in root.rglob("*.img")),
    }


def marks(root: Path) -> list[str]:
    """What all that belongs to it is known by."""
    deployment = _deployment(root)
    return [root.name] if deployment is None else [root.name, deployment]


def files(root: Path) -> list[str]:
    """Files that shares and share servers left, in the storage and among the run-time files."""
    storage = [
        path for path in root.iterdir() if path.is_dir() and path.name not in {"state", "ovs"}
    ]
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


def _kill(root: Path, *, wires: bool = False) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while (found := processes(root, wires=wires)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def processes(root: Path, *, wires: bool = False) -> list[int]:
    """Processes whose arguments name it, but for this one; the switch's only with ``wires``."""
    found = []
    names = [mark.encode() for mark in marks(root)]
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes()
            if not wires and f"{root}/ovs/".encode() in arguments:
                continue
            if any(name in arguments for name in names) and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def server_namespaces(root: Path) -> list[str]:
    """The namespaces of its share servers and routers."""
    deployment = _deployment(root)
    return [name for name in namespaces() if deployment and deployment in name]


def mounts(root: Path) -> list[str]:
    """Its mount points, but for the namespaces' own."""
    points = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    ours = (point for point in points if any(mark in point for mark in marks(root)))
    return [point for point in ours if not point.startswith("/run/netns/")]


def loops(root: Path) -> list[str]:
    """Loop devices whose file is below its folder."""
    table = run("losetup", "--noheadings", "--output", "NAME,BACK-FILE")
    rows = (line.split(maxsplit=1) for line in table.splitlines())
    return [row[0] for row in rows if len(row) > 1 and str(root) in row[1]]
