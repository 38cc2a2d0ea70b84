"""A host of its own for a test: a network namespace, machines on its wires, a driver inside it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from abaca.linux import mounts, netns
from abaca.linux.command import run
from abaca.linux.image import Image
from abaca.linux.wire import FabricOptions

T = TypeVar("T")


@dataclass
class Machine:
    """A tenant's machine: a namespace with NFS clients from user space."""

    netns: str

    def run(self, *argv: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in the machine; its exit code tells how it went."""
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.netns}", *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a program in the machine."""
        return subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.netns}", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def list(self, location: str) -> subprocess.CompletedProcess[str]:
        """``nfs-ls`` of an export location."""
        return self.run("nfs-ls", url(location))

    def read(self, location: str, name: str) -> subprocess.CompletedProcess[str]:
        """``nfs-cat`` of a file."""
        return self.run("nfs-cat", url(location, name))

    def write(self, location: str, name: str, source: Path) -> subprocess.CompletedProcess[str]:
        """``nfs-cp`` of a local file (up to 3.9 KB: libnfs 4.0 fails above with NFSv4)."""
        return self.run("nfs-cp", str(source), url(location, name))


def url(location: str, name: str = "", version: int = 4) -> str:
    """An export location as libnfs wants it."""
    address, _, path = location.rpartition(":")
    tail = f"/{name}" if name else ""
    return f"nfs://{address}{path}{tail}?version={version}"


class Inside:
    """Any object, each of whose methods is called inside a network namespace."""

    def __init__(self, wrapped: object, namespace: str) -> None:
        self._wrapped = wrapped
        self._namespace = namespace

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if not callable(value):
            return value

        def call(*args: object, **kwargs: object) -> object:
            return netns.call_inside(self._namespace, lambda: value(*args, **kwargs))

        return call


@dataclass
class Compute:
    """Another host with VXLAN segments, on which machines run."""

    netns: str
    address: str
    peer: str
    options: FabricOptions


@dataclass
class Host:
    """The namespace in which the driver works, and a directory for it."""

    netns: str
    folder: Path
    deployment: str
    machines: list[str] = field(default_factory=list)
    made_compute: Compute | None = None

    @property
    def compute(self) -> Compute:
        """The other host; `add_compute` made it."""
        assert self.made_compute is not None
        return self.made_compute

    def add_compute(self) -> Compute:
        """Another host, with a cable to this one that VXLAN packets go over."""
        name = f"{self.netns}-compute"
        netns.ensure_namespace(name)
        self.cable(Machine(name), "uplink", "172.31.0.2/24", mtu=1600)
        self.ip("addr", "add", "172.31.0.1/24", "dev", "uplink")
        options = FabricOptions(
            deployment=secrets.token_hex(4),
            vxlan_local=ip_address("172.31.0.2"),
            vxlan_peers=(ip_address("172.31.0.1"),),
        )
        self.made_compute = Compute(name, "172.31.0.2", "172.31.0.1", options)
        return self.made_compute

    def inside(self, function: Callable[[], T]) -> T:
        """Call the function inside the host's namespace."""
        return netns.call_inside(self.netns, function)

    def ip(self, *argv: str) -> None:
        """An ``ip`` command in the host's namespace."""
        run("nsenter", f"--net=/run/netns/{self.netns}", "ip", *argv)

    def machine(self, name: str) -> Machine:
        """A new namespace without links."""
        full = f"{self.netns}-{name}"
        netns.ensure_namespace(full)
        self.machines.append(full)
        return Machine(full)

    def cable(self, machine: Machine, here: str, *addresses: str, mtu: int = 1500) -> None:
        """A veth from the machine's eth0, with these addresses, to ``here`` in the host."""
        self.ip("link", "add", here, "mtu", str(mtu), "type", "veth", "peer", "name", "eth0",
                "mtu", str(mtu), "netns", f"/run/netns/{machine.netns}")  # fmt: skip
        self.ip("link", "set", here, "up")
        inner = ["nsenter", f"--net=/run/netns/{machine.netns}", "ip"]
        run(*inner, "link", "set", "eth0", "up")
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            run(*inner, "addr", "add", address, "dev", "eth0", *extra)

    def servers(self) -> list[str]:
        """Namespaces of share servers of this test's deployment."""
        return [name for name in netns.namespaces() if name.startswith(f"abaca-{self.deployment}-")]


@contextmanager
def host(folder: Path) -> Iterator[Host]:
    """A host; all that it has is removed afterwards, whatever happened."""
    deployment = secrets.token_hex(4)
    made = Host(f"abt-{deployment}", folder, deployment)
    netns.ensure_namespace(made.netns)
    try:
        yield made
    finally:
        clean(made)


def clean(made: Host) -> None:
    """No process, mount, loop device or namespace of the host is left."""
    run_path = Path("/run/abaca") / made.deployment
    reboot(made)
    for name in made.machines:
        netns.remove_namespace(name)
    if made.made_compute is not None:
        _remove_deployment(made.made_compute.options.deployment)
        netns.remove_namespace(made.made_compute.netns)
    netns.remove_namespace(made.netns)
    shutil.rmtree(run_path, ignore_errors=True)


def processes(made: Host) -> list[int]:
    """PIDs of the daemons of this test's deployment."""
    marker = f"/run/abaca/{made.deployment}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if marker in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def reboot(made: Host) -> None:
    """What a reboot takes is gone: processes, mounts, loop devices, server namespaces, /run."""
    for pid in processes(made):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if not processes(made):
            break
        time.sleep(0.05)
    marker = Path("/run/abaca") / made.deployment
    for item in reversed(mounts.table()):
        if marker in item.target.parents:
            mounts.unmount(item.target)
    for path in made.folder.rglob("*.img"):
        device = Image(path).device()
        if device is not None:
            run("losetup", "--detach", device)
    _remove_deployment(made.deployment)
    shutil.rmtree(marker, ignore_errors=True)


def _remove_deployment(deployment: str) -> None:
    for name in netns.namespaces():
        if name.startswith(f"abaca-{deployment}"):
            netns.remove_namespace(name)
