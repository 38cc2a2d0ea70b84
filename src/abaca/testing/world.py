"""What exists on this machine, to prove that nothing is left behind.

Reads the kernel, never what Abaca remembers. Other work may go on at the same
time: ``marks`` limits what is looked at to what carries one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from abaca.linux import links, netns


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Names of everything, by kind."""

    namespaces: frozenset[str]
    links: frozenset[str]
    """Of the namespace in which the snapshot was made."""
    mounts: frozenset[str]
    loop_devices: frozenset[str]
    """``DEVICE BACKING_FILE``"""
    processes: frozenset[str]
    """``PID COMMAND LINE``"""
    files: frozenset[str]


_SINGULAR = {
    "namespaces": "namespace",
    "links": "link",
    "mounts": "mount",
    "loop_devices": "loop device",
    "processes": "process",
    "files": "file",
}


def snapshot(marks: Iterable[str] = (), folders: Iterable[Path] = ()) -> World:
    """The world now, in the network namespace of the calling thread.

    With ``marks``, only namespaces and mounts whose name, loop devices whose
    backing file, and processes whose command line or environment contains one
    of them; links are told always. Files are told of ``folders`` only. This
    process, those that it comes from, and zombies are left out.
    """
    wanted = tuple(marks)

    def marked(*texts: str) -> bool:
        return not wanted or any(mark in text for mark in wanted for text in texts)

    return World(
        namespaces=frozenset(name for name in netns.namespaces() if marked(name)),
        links=links.inside(
            None, "listing links", lambda here: frozenset(link.name for link in links.links(here))
        ),
        mounts=frozenset(where for where in _mounts() if marked(where)),
        loop_devices=frozenset(
            f"{device} {file}" for device, file in _loop_devices() if marked(file)
        ),
        processes=frozenset(_processes(marked)),
        files=frozenset(str(path) for folder in folders for path in folder.rglob("*")),
    )


def left_behind(before: World, after: World) -> list[str]:
    """What is in the second and was not in the first, one line each; [] if nothing."""
    lines = []
    for field in fields(World):
        extra: frozenset[str] = getattr(after, field.name) - getattr(before, field.name)
        lines += [f"{_SINGULAR[field.name]} {name}" for name in sorted(extra)]
    return lines


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        where = line.split()[4].replace("\\040", " ")
        if not Path(where).is_relative_to(netns.DIRECTORY):  # told as namespaces
            yield where


def _loop_devices() -> Iterator[tuple[str, str]]:
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            yield file.parts[3], file.read_text(encoding="utf-8").strip()


def _processes(marked: Callable[..., bool]) -> Iterator[str]:
    ours = set(_ancestry(os.getpid()))
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in ours:
            continue
        with suppress(OSError):
            command = _words(folder / "cmdline")
            # Kernel threads and zombies have none.
            if command and marked(command, _words(folder / "environ")):
                yield f"{folder.name} {command}"


def _ancestry(pid: int) -> Iterator[int]:
    while pid:
        yield pid
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        pid = int(stat.rpartition(")")[2].split()[1])


def _words(file: Path) -> str:
    return file.read_bytes().replace(b"\0", b" ").decode("utf-8", errors="replace").strip()
