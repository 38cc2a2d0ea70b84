"""Throw-away network namespaces for tests and the demo: hosts and machines of tenants.

Tests of the data plane never touch the namespace that they are started in:
they make a "host" and work inside it.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from abaca.linux import links, netns
from abaca.linux.command import run
from abaca.linux.netlink import Netlink

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A network namespace that plays a host or a machine."""

    name: str

    def call(self, function: Callable[[], T]) -> T:
        """Call the function in a thread inside; threads and programs that it starts are inside."""
        return netns.call_inside(self.name, function)

    def run(self, *argv: str, timeout: float = 60) -> str:
        """Run a program inside; its output, or CommandFailed."""
        return run("nsenter", f"--net={netns.path(self.name)}", "--", *argv, timeout=timeout)

    def pings(self, address: object, *, timeout: float = 1, attempts: int = 3) -> bool:
        """True if the address answers one of these echo requests within ``timeout`` seconds."""
        command = ["ping", "-n", "-q", "-c1", f"-W{timeout}", str(address)]
        inside = ["nsenter", f"--net={netns.path(self.name)}", "--", *command]
        return any(
            subprocess.run(inside, capture_output=True, check=False, timeout=30).returncode == 0
            for _ in range(attempts)
        )


def machine(purpose: str = "host") -> AbstractContextManager[Machine]:
    """A namespace with a name that nobody else has, removed at the end."""
    return named(f"qa-{purpose}-{uuid.uuid4().hex[:8]}")


@contextmanager
def named(name: str) -> Iterator[Machine]:
    """The namespace of that name, removed at the end."""
    netns.ensure_namespace(name)
    try:
        yield Machine(name=name)
    finally:
        netns.remove_namespace(name)


@contextmanager
def machines(*purposes: str) -> Iterator[list[Machine]]:
    """Several machines."""
    with ExitStack() as stack:
        yield [stack.enter_context(machine(purpose)) for purpose in purposes]


def join(one: Machine, other: Machine, interface: str, address: str, peer: str) -> None:
    """A cable between two machines: ``interface`` at both ends, with these ``address/prefix``."""

    def lay(here: Netlink) -> None:
        links.lay_cable(
            here,
            links.Cable(
                near=interface,
                near_mac=links.mac_for(0x02, one.name, interface),
                namespace=other.name,
                far=interface,
                far_mac=links.mac_for(0x02, other.name, interface),
                mtu=1600,
            ),
            replace=False,
        )

    links.inside(one.name, "laying a cable", lay)
    for end, text in ((one, address), (other, peer)):
        # Link-local addresses work at once, too.
        end.call(lambda: links.setting("ipv6", interface, "accept_dad", "0"))
        end.run("ip", "addr", "add", text, "dev", interface, *(["nodad"] if ":" in text else []))
        end.run("ip", "link", "set", interface, "up")


def bridge(host: Machine, name: str, *addresses: str) -> None:
    """A bridge that the administrator of the host made."""
    host.run("ip", "link", "add", name, "type", "bridge")
    for address in addresses:
        host.run("ip", "addr", "add", address, "dev", name)
    host.run("ip", "link", "set", name, "up")
