"""A lock file that outlives its holder until the holder's last child is gone.

The lock is an ``flock`` on an open file. Child commands inherit the open file
(`held` goes to ``keep_fds`` of `abaca.linux.command.run`), so after the holder
was killed, the next one waits until a running mkfs or btrfs has ended.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from abaca.errors import LinuxError
from abaca.linux.command import Running, begun, run

_held: ContextVar[tuple[int, ...]] = ContextVar("abaca_held_locks", default=())
_PAUSE = 0.05


class LockTimeout(LinuxError):
    """Somebody else held the lock all the time that the caller would wait."""


def held() -> tuple[int, ...]:
    """File descriptors of the locks that this thread holds, for its children to inherit."""
    return _held.get()


@contextmanager
def locked(path: Path, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock inside the block; LockTimeout after so many seconds of waiting.

    The file may be deleted by the holder (`Path.unlink`): waiters notice.
    """
    descriptor = _acquire(path, time.monotonic() + timeout)
    token = _held.set((*_held.get(), descriptor))
    try:
        yield
    finally:
        _held.reset(token)
        os.close(descriptor)


def _acquire(path: Path, deadline: float) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _wait(descriptor, path, deadline)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_current(descriptor, path):
            return descriptor
        os.close(descriptor)


def _wait(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise LockTimeout(f"{path} is still locked by another operation or its last child")
        time.sleep(_PAUSE)


def _is_current(descriptor: int, path: Path) -> bool:
    """False if the file was deleted (and perhaps made anew) while we waited."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (
        os.fstat(descriptor).st_dev,
        os.fstat(descriptor).st_ino,
    )


def run_holding(*argv: str, timeout: float = 60, keep_fds: tuple[int, ...] = ()) -> str:
    """`abaca.linux.command.run` for a child that keeps our locks until it ends itself."""
    return run(*argv, timeout=timeout, keep_fds=(*held(), *keep_fds))


def begun_holding(*argv: str, netns: str | None, stdin: bytes) -> AbstractContextManager[Running]:
    """`abaca.linux.command.begun` for such a child."""
    return begun(*argv, netns=netns, stdin=stdin, keep_fds=held())
