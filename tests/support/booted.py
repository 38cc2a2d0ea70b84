"""A machine with a systemd of its own, in namespaces: nothing of it is left when it is off."""

from __future__ import annotations

import secrets
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from abaca.linux import netns
from abaca.linux.command import run
from abaca.testing.wait import until

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
BOOT = Path(__file__).with_name("boot.sh")
SECONDS = 60
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
OFF = """
systemctl stop 'abaca-*'
pkill -KILL ganesha.nfsd
umount -a -t btrfs
find /srv/abaca -name '*.img' -exec losetup --noheadings --output NAME -j {} ';' |
    xargs --no-run-if-empty losetup --detach
"""


@dataclass(frozen=True)
class Booted:
    """Its process 1, as seen from here, and the name here of its network namespace."""

    process: int
    netns: str

    def run(self, script: str, *, stdin: str = "") -> str:
        """What a shell on it prints, as root in the checkout; each command must end well."""
        done = self._shell(f"set -e\ncd {ROOT}\n{script}", stdin)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def until(self, condition: str) -> None:
        """Return when this command ends well."""
        loop = f"until {condition} >/dev/null; do sleep 0.1; done"
        self.run(f"timeout {SECONDS} /bin/bash -c {shlex.quote(loop)}")

    def call(self, function: Callable[[], T]) -> T:
        """Call the function on its network."""
        return netns.call_inside(self.netns, function)

    def is_up(self) -> bool:
        """True once systemd has started what it should."""
        return self._shell("systemctl is-system-running").stdout.strip() == "running"

    def clear(self) -> None:
        """End what Abaca left running, and give back what it has of this machine's."""
        self._shell(OFF)

    def _shell(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ("nsenter", "--all", "--wd", f"--target={self.process}")
        return subprocess.run(
            [*enter, "env", "-i", path, "HOME=/root", "/bin/bash", "-c", script],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * SECONDS,
            check=False,
        )


@contextmanager
def booted(folder: Path) -> Iterator[Booted]:
    """A machine that is up, until the block ends."""
    name = f"qa-systemd-{secrets.token_hex(4)}"
    group = _groups() / name
    group.mkdir()
    with (folder / "console").open("wb") as console:
        parent = subprocess.Popen(
            [*DIES_WITH_US, str(BOOT), str(_made(folder / "files")), str(group), str(ROOT)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
    try:
        until(lambda: _first(parent.pid), "systemd starts", seconds=SECONDS)
        machine = Booted(_first(parent.pid), name)
        run("ip", "netns", "attach", name, str(machine.process))
        try:
            until(machine.is_up, "it is up", seconds=SECONDS)
            yield machine
        finally:
            machine.clear()
            netns.remove_namespace(name)
    finally:
        parent.kill()
        parent.wait()
        _remove(group)
        shutil.rmtree(folder / "files", ignore_errors=True)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _groups() -> Path:
    """Where control groups of version 2 are."""
    table = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return Path(next(words[1] for words in table if words[2] == "cgroup2"))


def _first(parent: int) -> int:
    """The process that has become systemd, a child of this one; 0 if there is none yet."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = entry.read_text().partition(" (")[2].rpartition(") ")
        except OSError:
            continue
        if name == "systemd" and int(rest.split()[1]) == parent:
            return int(entry.parent.name)
    return 0


def _remove(group: Path) -> None:
    """It and those in it, once their processes have gone."""

    def gone() -> bool:
        inner = sorted((item for item in group.rglob("*") if item.is_dir()), reverse=True)
        try:
            for folder in (*inner, group):
                folder.rmdir()
        except OSError:
            return False
        return True

    (group / "cgroup.kill").write_text("1")
    until(gone, "its processes have gone", seconds=SECONDS)
