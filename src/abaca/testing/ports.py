"""Ports for servers that have to be told theirs before they start."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST, _FEWEST = 10_000, 1_000
_GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """One of `free_ports`."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different TCP ports of 127.0.0.1 that nobody has.

    None of those that the kernel gives out by itself: before a server listens there, such a
    one may have become the end of anybody's connection.
    """
    room = max(int(_GIVEN_OUT.read_text().split()[0]) - _LOWEST, _FEWEST)
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            probe, port = stack.enter_context(socket.socket()), _LOWEST + secrets.randbelow(room)
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                found.append(port)
    return found
