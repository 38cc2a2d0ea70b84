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

from sqlalchemy import ColumnElement, Float, bindparam, literal_column, select

from abaca.db.database import Tx

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_AHEAD = bindparam("clock_ahead", type_=Float(53))
_NOW: dict[str, ColumnElement[float]] = {
    "sqlite": _AHEAD,
    "postgresql": literal_column("EXTRACT(EPOCH FROM clock_timestamp())", Float(53)) + _AHEAD,
    "mysql": literal_column("UNIX_TIMESTAMP(SYSDATE(6))", Float(53)) + _AHEAD,
}
_READ = {dialect: select(clock) for dialect, clock in _NOW.items()}
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


def clock_in(dialect: str) -> ColumnElement[float]:
    """The lease clock as part of a statement, which is run with `clock_values`."""
    return _NOW[dialect]


def clock_values(dialect: str) -> dict[str, float]:
    """What a statement with `clock_in` is told."""
    here = time.clock_gettime(time.CLOCK_BOOTTIME) if dialect == "sqlite" else 0.0
    return {"clock_ahead": here + _jumped}


def epoch_in(dialect: str) -> str:
    """Whose readings of the lease clock can be compared."""
    return boot_id() if dialect == "sqlite" else "database"


def read_clock(tx: Tx) -> Reading:
    """The lease clock now."""
    values = clock_values(tx.dialect)
    now = values["clock_ahead"] if tx.dialect == "sqlite" else tx.scalar(_READ[tx.dialect], values)
    return Reading(epoch_in(tx.dialect), float(now))
