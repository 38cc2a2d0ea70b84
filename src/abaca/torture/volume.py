"""A file system for shares that has little room, and is full for a while."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abaca.linux.command import run

VOLUME_BYTES = 256 << 20
OVER_SUBSCRIPTION = 400
"""So that shares are accepted, and it is the file system that has no room for them."""
_BLOCK = 1 << 12


def mount(folder: Path) -> None:
    """There is such a file system at the folder. Needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "tmpfs", str(folder))


@contextmanager
def full(folder: Path, *, but_for: int = 0) -> Iterator[None]:
    """Inside, nothing (or only so many bytes) can be written to its file system."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            _fill(file.fileno())
            file.truncate(max(0, os.fstat(file.fileno()).st_size - but_for))
        yield
    finally:
        filler.unlink()


def _fill(file: int) -> None:
    size, step = 0, VOLUME_BYTES
    while step >= _BLOCK:
        try:
            os.posix_fallocate(file, size, step)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            step //= 2
        else:
            size += step
