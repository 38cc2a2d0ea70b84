"""Named network namespaces, as ``ip netns`` knows them, made without starting a process.

A namespace is a file under /run/netns on which the namespace is mounted. Each
piece of work inside one is done by a short-lived thread that enters it, so the
namespace of the calling thread never changes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from abaca.errors import LinuxError
from abaca.linux.devices import bring_up

T = TypeVar("T")

DIRECTORY = Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MS_REC = 16384
_MS_SHARED = 1 << 20
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    """The file that stands for the namespace."""
    return DIRECTORY / name


def exists(name: str) -> bool:
    """True if the namespace is really there, not only a file left over by its name."""
    with suppress(FileNotFoundError):
        return path(name).stat().st_dev == Path("/proc/self/ns/net").stat().st_dev
    return False


def namespaces() -> list[str]:
    """Names of the namespaces that are there, sorted."""
    with suppress(FileNotFoundError):
        return sorted(entry.name for entry in DIRECTORY.iterdir() if exists(entry.name))
    return []


def ensure_namespace(name: str) -> None:
    """The namespace exists and its loopback is up. A left-over file is mended."""
    if exists(name):
        call_inside(name, lambda: bring_up("lo"))
        return
    _share_directory()
    target = path(name)
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444))

    def make() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), f"making network namespace {name}")
        bring_up("lo")
        # Mounted last: what exists is complete.
        _mount("/proc/thread-self/ns/net", str(target), _MS_BIND)

    _in_thread(make)


def remove_namespace(name: str) -> None:
    """The name is gone; the namespace goes with its last process. Succeeds on unknown."""
    target = path(name)
    while _libc.umount2(os.fsencode(target), _MNT_DETACH) == 0:
        pass
    if ctypes.get_errno() not in {errno.EINVAL, errno.ENOENT}:
        _check(-1, f"unmounting network namespace {name}")
    target.unlink(missing_ok=True)


def call_inside(name: str | None, function: Callable[[], T]) -> T:
    """Call the function in a thread inside the namespace (None: this process's own).

    Raises LinuxError if there is no such namespace, else what the function raises.
    """
    if name is None:
        return function()

    def enter() -> T:
        try:
            descriptor = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise LinuxError(f"there is no network namespace {name}") from None
        try:
            _check(_libc.setns(descriptor, _CLONE_NEWNET), f"entering network namespace {name}")
        finally:
            os.close(descriptor)
        return function()

    return _in_thread(enter)


def call_in_new(function: Callable[[], T]) -> T:
    """Call the function in a namespace without a name, which is gone afterwards."""

    def enter() -> T:
        _check(_libc.unshare(_CLONE_NEWNET), "making a network namespace")
        return function()

    return _in_thread(enter)


def _in_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as failure:  # noqa: BLE001 - handed to the caller
            failures.append(failure)

    thread = threading.Thread(target=work, name="abaca-netns")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _share_directory() -> None:
    """/run/netns is a shared mount, so that other mount namespaces see what we add."""
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = str(DIRECTORY)
    # One at a time: the mount of whoever came second would hide what the first has made there.
    # `ip netns` takes this lock, too.
    descriptor = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _libc.mount(b"", os.fsencode(folder), b"none", _MS_SHARED | _MS_REC, None) != 0:
            _mount(folder, folder, _MS_BIND | _MS_REC)
            _mount("", folder, _MS_SHARED | _MS_REC)
    finally:
        os.close(descriptor)


def _mount(source: str, target: str, flags: int) -> None:
    result = _libc.mount(os.fsencode(source), os.fsencode(target), b"none", flags, None)
    _check(result, f"mounting {target}")


def _check(result: int, doing: str) -> None:
    if result != 0:
        raise LinuxError(f"{doing}: {os.strerror(ctypes.get_errno())}")
