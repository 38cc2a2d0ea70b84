"""The clock of leases and due times: one that nobody sets back, shared by all who claim.

On SQLite everybody is on one host, and the kernel's boot clock serves; its
readings mean nothing after a reboot, so each goes with the boot's ID. On other
databases the database's own clock is the one that all hosts share.

Tests set it forward and back with `jump`; the machine's clock is never touched.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import text

from abaca.db.database import Tx

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NOW = {
    "postgresql": text("SELECT EXTRACT(EPOCH FROM clock_timestamp())"),
    "mysql": text("SELECT UNIX_TIMESTAMP(SYSDATE(6))"),
    "mariadb": text("SELECT UNIX_TIMESTAMP(SYSDATE(6))"),
}
_jumped = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A time in seconds, comparable only with readings of the same epoch."""

    epoch: str
    now: float


@cache
def boot_id() -> str:
    """Changes with each boot of this host."""
    return BOOT_ID.read_text().strip()


def jump(seconds: float) -> None:
    """From now on, for this process, the clock is so far ahead of (behind) what it would be."""
    global _jumped  # noqa: PLW0603 - a test's
    _jumped = seconds


def read_clock(tx: Tx) -> Reading:
    """The lease clock now."""
    statement = _NOW.get(tx.dialect)
    if statement is None:
        return Reading(boot_id(), time.clock_gettime(time.CLOCK_BOOTTIME) + _jumped)
    return Reading("database", float(tx.scalar(statement)) + _jumped)
