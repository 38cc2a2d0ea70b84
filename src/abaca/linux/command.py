"""Programs: run one to its end, or start a daemon that outlives us and stop it later.

Nothing here uses a shell. A daemon is known by its PID and start time together,
so a PID that was given to another process is never signalled.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from abaca.errors import CommandFailed, LinuxError
from abaca.linux import netns as namespaces

PACKAGES = {
    "btrfs": "btrfs-progs",
    "dbus-daemon": "dbus-daemon",
    "fstrim": "util-linux",
    "ganesha.nfsd": "nfs-ganesha nfs-ganesha-vfs",
    "ip": "iproute2",
    "losetup": "mount",
    "mkfs.btrfs": "btrfs-progs",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "rpcbind": "rpcbind",
    "umount": "mount",
    "unshare": "util-linux",
}
"""Which Debian package has a program."""

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for besides the caller's PATH (services often lack the sbin ones)."""

_NOT_FOUND = 127
_TIMED_OUT = 124

_children: dict[int, subprocess.Popen[bytes]] = {}
_children_lock = threading.Lock()


class Running:
    """A program that runs beside us."""

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[bytes]) -> None:
        self._argv = tuple(argv)
        self._process = process

    def end(self, timeout: float = 60) -> str:
        """Wait for its end and return its standard output; fails as `run` does."""
        try:
            output, errors = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill_group(self._process)
            message = f"killed: it took longer than {timeout:g} seconds"
            raise CommandFailed(self._argv, _TIMED_OUT, message) from None
        if self._process.returncode != 0:
            said = f"{_text(errors)}\n{_text(output)}".strip()
            raise CommandFailed(self._argv, self._process.returncode, said)
        return _text(output)


def run(
    *argv: str,
    timeout: float = 60,
    stdin: bytes | None = None,
    keep_fds: tuple[int, ...] = (),
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    ``env`` is added to our environment, ``keep_fds`` stay open in the program.
    Raises CommandFailed if it is missing, exits with an error, or takes longer
    than ``timeout`` seconds; then it is killed with all that it started.
    """
    with begun(*argv, stdin=stdin, keep_fds=keep_fds, env=env) as program:
        return program.end(timeout)


@contextmanager
def begun(
    *argv: str,
    netns: str | None = None,
    stdin: bytes | None = None,
    keep_fds: tuple[int, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run a program, in a network namespace if one is named, beside what is done in the block.

    At the end of the block it is killed if nobody waited for its end.
    """
    program = find(argv)
    with _given(stdin) as source:
        process = _inside(
            netns,
            lambda: subprocess.Popen(
                argv,
                executable=program,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=keep_fds,
                start_new_session=True,
                env={**os.environ, "PATH": _search_path(), **(env or {}), "LC_ALL": "C"},
            ),
        )
    with process:
        try:
            yield Running(argv, process)
        finally:
            if process.poll() is None:
                _kill_group(process)


@contextmanager
def _given(text: bytes | None) -> Iterator[int]:
    """A file that the program reads: whatever its size, nobody waits until it is read."""
    if text is None:
        yield subprocess.DEVNULL
        return
    with os.fdopen(os.memfd_create("stdin", os.MFD_CLOEXEC), "wb") as file:
        file.write(text)
        file.seek(0)
        yield file.fileno()


def _inside(
    netns: str | None, start: Callable[[], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """Started by a thread that is in the namespace, which a program inherits."""
    return start() if netns is None else namespaces.call_inside(netns, start)


def find(argv: Sequence[str]) -> str:
    """The path of the program that ``argv`` names; CommandFailed says what to install."""
    found = shutil.which(argv[0], path=_search_path())
    if found is None:
        package = PACKAGES.get(Path(argv[0]).name)
        advice = f"install the Debian package(s) {package}" if package else "is it installed?"
        raise CommandFailed(tuple(argv), _NOT_FOUND, f"{argv[0]} was not found: {advice}")
    return found


def start_daemon(
    argv: Sequence[str],
    *,
    netns: str | None,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> int:
    """Start a program that goes on when we end, in a namespace if one is named; its PID.

    It gets a session of its own, ``log`` for its output (appended), no file
    descriptor or lock of ours, and of the environment only ``env`` and PATH.
    The mount namespace stays ours, so it sees what is mounted later.
    """
    argv = [find(argv), *argv[1:]]
    _reap()
    with log.open("ab") as output:
        process = _inside(
            netns,
            lambda: subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                env={"PATH": SEARCH_PATH, "LC_ALL": "C", **(env or {})},
            ),
        )
    with _children_lock:
        _children[process.pid] = process
    return process.pid


def process_identity(pid: int) -> tuple[int, int]:
    """The PID with its start time (clock ticks since boot), which together are never reused.

    Raises LinuxError if there is no such process, or only its zombie.
    """
    start = _start_time(pid)
    if start is None:
        raise LinuxError(f"process {pid} does not run")
    return pid, start


def is_running(pid: int, start_time: int) -> bool:
    """True if exactly this process runs (a zombie does not)."""
    _reap()
    return _start_time(pid) == start_time


def stop_process(pid: int, start_time: int, *, timeout: float = 10) -> None:
    """Return when this process is gone: asked by SIGTERM, and after ``timeout`` seconds by SIGKILL.

    It need not be our child. Succeeds if it had gone before.
    """
    with _process(pid, start_time) as descriptor:
        if descriptor is None:
            return
        for signum, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, 30.0)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signum)
            if _ended(descriptor, patience):
                _reap()
                return
    raise LinuxError(f"process {pid} did not end, not even by SIGKILL")


def kill_process(pid: int, start_time: int) -> None:
    """This process is killed, and may take a while to be gone. Succeeds if it had gone before."""
    with _process(pid, start_time) as descriptor, suppress(ProcessLookupError):
        if descriptor is not None:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)


@contextmanager
def _process(pid: int, start_time: int) -> Iterator[int | None]:
    """A descriptor of exactly this process, or None if it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Compared after opening: from here on the descriptor means this process only.
        yield descriptor if _start_time(pid) == start_time else None
    finally:
        os.close(descriptor)


def _ended(descriptor: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            return True
    return False


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None for a process that is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _reap() -> None:
    """Take the exit status of daemons that were our children and have ended."""
    with _children_lock:
        for pid in [pid for pid, process in _children.items() if process.poll() is not None]:
            del _children[pid]


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()


def _search_path() -> str:
    return f"{os.environ.get('PATH', '')}:{SEARCH_PATH}".lstrip(":")


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")
