"""Removes what aborted runs of the tests, the torture and the demo left: ``make clean``.

Only what carries a name of theirs is touched. It refuses while a test or a demo
runs, since it could not tell theirs from what was left.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from abaca.demo import leftovers
from abaca.errors import CommandFailed
from abaca.linux.command import run
from abaca.linux.netns import namespaces, remove_namespace

HOST = re.compile(r"abt-([0-9a-f]{8})")
MACHINE = re.compile(r"qa-.+-[0-9a-f]{8}")
TORTURE = "abaca-torture-"
RUNNING = re.compile(rb"(^|/|\0)(pytest|abaca\.demo|abaca\.torture)\0")


def main() -> int:
    """Clean up; 1 if something runs."""
    running = [pid for pid, text in _processes() if RUNNING.search(text) and pid != os.getpid()]
    if running:
        sys.stderr.write(f"clean: tests or a demo are running ({running[0]}); stop them first\n")
        return 1
    leftovers.sweep()
    for folder in Path("/dev/shm").glob(f"{TORTURE}*"):  # noqa: S108 - where they are
        shutil.rmtree(folder, ignore_errors=True)
    for deployment in deployments():
        remove(deployment)
    for name in filter(MACHINE.fullmatch, namespaces()):
        remove_namespace(name)
    for name in namespaces():
        if name.startswith("abaca-"):
            sys.stderr.write(f"clean: left alone: {name} (a deployment's that is no test's)\n")
    return 0


def deployments() -> list[str]:
    """Those whose hosts were namespaces of tests."""
    return sorted({found[1] for name in namespaces() if (found := HOST.match(name))})


def remove(deployment: str) -> None:
    """Processes, mounts, loop devices, namespaces and run-time files of a test's deployment."""
    folder = Path("/run/abaca", deployment)
    for pid, text in _processes():
        if f"{folder}/".encode() in text:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for point in sorted(_mounts(), reverse=True):
        if point.is_relative_to(folder):
            with suppress(CommandFailed):
                run("umount", "--lazy", str(point))
    _detach_unmounted()
    for name in namespaces():
        if name.startswith((f"abaca-{deployment}", f"abt-{deployment}")):
            remove_namespace(name)
    shutil.rmtree(folder, ignore_errors=True)


def _processes() -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(entry.name), (entry / "cmdline").read_bytes()


def _mounts() -> list[Path]:
    table = Path("/proc/self/mounts").read_text().splitlines()
    return [Path(line.split()[1]) for line in table]


def _detach_unmounted() -> None:
    """Loop devices of images in the folder for temporary files, unless they are mounted."""
    used = {line.split()[0] for line in Path("/proc/self/mounts").read_text().splitlines()}
    table = run("losetup", "--noheadings", "--output", "NAME,BACK-FILE")
    for line in table.splitlines():
        device, _, file = line.strip().partition(" ")
        if file.strip().startswith(f"{tempfile.gettempdir()}/") and device not in used:
            with suppress(CommandFailed):
                run("losetup", "--detach", device)


if __name__ == "__main__":
    sys.exit(main())
