"""Waiting for what another process brings about."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Return when the condition holds; AssertionError naming ``what`` if it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def listens(path: Path) -> bool:
    """True if somebody takes connections at this UNIX socket: it may be there before that."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
