"""Who a worker is, so that a restart knows at once which leases belong to the dead."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from abaca.db.clock import boot_id

_PARTS = 5


def worker_name(host: str) -> str:
    """This process: ``host:boot:process namespace:process:start``, never the same twice."""
    return ":".join([host, *_here(), str(os.getpid()), _started(os.getpid()) or ""])


def dead_workers(names: Collection[str]) -> list[str]:
    """Those that were processes beside this one (same boot, same namespace) and are gone.

    Of workers elsewhere nothing is known: their leases run out.
    """
    gone = []
    for name in names:
        parts = name.rsplit(":", _PARTS - 1)
        if len(parts) != _PARTS or tuple(parts[1:3]) != _here() or not parts[3].isdigit():
            continue
        if _started(int(parts[3])) != parts[4]:
            gone.append(name)
    return gone


def _here() -> tuple[str, str]:
    return boot_id(), str(Path("/proc/self/ns/pid").stat().st_ino)


def _started(process: int) -> str | None:
    """Start time of a process in clock ticks since boot; None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[19]
