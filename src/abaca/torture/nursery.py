"""Share managers that may be killed: one process forks them, ready imported, on request.

Run as a program it reads one JSON `Birth` per line, forks a manager for it, and
answers with its process ID. When its input ends, it kills what is left.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import structlog

import abaca.drivers.fake
import abaca.drivers.linux
import abaca.network.standalone  # noqa: F401 - imported once, before the forks
from abaca.config import load
from abaca.db import clock
from abaca.db.database import Database
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.service.managers import make_backends
from abaca.torture.outage import with_outages, writing_fails
from abaca.work.doorbell import doorbell
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkOptions

LOG = "manager.log"
NUDGE = signal.SIGHUP
"""Has a manager look for tasks at once: it is told what others would find a moment later."""
CLOCK = "clock"
"""What SIGUSR1 sets the clock of a manager ahead by: a file in its folder."""
ARMS = "arms"
"""A file in its folder: at SIGUSR2 a manager reads from it which fault it is to meet."""
MARK = "ABACA_TORTURE"
"""In the environment of all that is started: by it, `abaca.testing.clean` finds what was left."""


@dataclass(frozen=True, kw_only=True)
class Birth:
    """One manager to start."""

    config: str
    """The configuration file."""
    folder: str
    """Where it logs, and where ``up.PID`` appears once it has started."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The fault that it is to meet."""
    lease_seconds: float = 5.0


def options(birth: Birth) -> ManagerOptions:
    """As in earnest, but in a hurry."""
    return ManagerOptions(
        work=WorkOptions(
            threads=4,
            poll_seconds=0.2,
            lease_seconds=birth.lease_seconds,
            retry=RetryOptions(first=0.02, longest=0.2, jitter=0.01, unexpected=3),
        ),
        report_seconds=1,
        supervise_seconds=0.3,
    )


def main() -> None:
    """Fork managers as the input says."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    signal.signal(NUDGE, signal.SIG_IGN)  # until a manager hears it
    started: list[int] = []
    for line in sys.stdin:
        birth = Birth(**json.loads(line))
        if not started:
            _warm(birth)
        process = os.fork()
        if process == 0:
            serve(birth)
        started = _alive(started)
        with suppress(ProcessLookupError):  # it may have died already
            started.append(os.pidfd_open(process))
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
    for handle in _alive(started):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


def _warm(birth: Birth) -> None:
    """What loading a configuration and using its database import is imported before the forks."""
    Database(load([Path(birth.config)]).service.database_url).close()


def _alive(handles: list[int]) -> list[int]:
    """Those whose process has not ended: its number may be another process's by now."""
    ended = select.poll()
    for handle in handles:
        ended.register(handle, select.POLLIN)
    gone = {handle for handle, _ in ended.poll(0)}
    for handle in gone:
        os.close(handle)
    return [handle for handle in handles if handle not in gone]


def serve(birth: Birth) -> None:
    """Be a manager until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(birth.folder)
    signal.signal(signal.SIGUSR1, lambda *_: clock.jump(float((folder / CLOCK).read_text())))
    output = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.signal(signal.SIGUSR2, lambda *_: arm(folder / ARMS))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f"),
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
    )
    os.environ.update(birth.environment)
    if (folder / CLOCK).exists():
        clock.jump(float((folder / CLOCK).read_text()))
    structlog.get_logger().info("born", process=os.getpid(), **birth.environment)
    config = with_outages(load([Path(birth.config)]), folder)
    db = Database(config.service.database_url, pool_size=8)
    writing_fails(db, folder)
    ShareManager(db, make_backends(config, db), options(birth)).start()
    signal.signal(NUDGE, lambda *_: doorbell.ring())
    # A signal that comes just before `signal.pause` would be handled after the next one only.
    heard, hear = os.pipe()
    os.set_blocking(hear, False)
    signal.set_wakeup_fd(hear, warn_on_full_buffer=False)
    (folder / f"up.{os.getpid()}").touch()
    while True:
        os.read(heard, 4096)


def arm(file: Path) -> None:
    """Take over the environment that the file says (null: not set), and take the file away."""
    for name, value in json.loads(file.read_text()).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    file.unlink()


class Nursery:
    """The process that forks managers, from the outside. ``netns``: in that network namespace."""

    def __init__(self, mark: str, netns: str | None = None) -> None:
        prefix = [] if netns is None else ["nsenter", f"--net=/run/netns/{netns}"]
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "abaca.torture.nursery"],
            env={**os.environ, MARK: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, birth: Birth) -> int:
        """A new manager's process ID; it may not be up yet."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the nursery has no pipes")
        stdin.write(json.dumps(asdict(replace(birth, environment=dict(birth.environment)))) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError("the nursery has died")
        return int(answer)

    def close(self) -> None:
        """It ends, with all its managers."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@contextmanager
def nursery(mark: str, netns: str | None = None) -> Iterator[Nursery]:
    """A nursery that ends, with all its managers, with the block."""
    made = Nursery(mark, netns)
    try:
        yield made
    finally:
        made.close()


def alive(process: int) -> bool:
    """True until it was killed."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def paused(process: int) -> bool:
    """True while it is stopped by a signal, with all of its threads.

    One that was in the kernel goes on until it comes out of it, with a lock in its hands perhaps.
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        threads = [item.read_text() for item in Path(f"/proc/{process}/task").glob("*/stat")]
        states = {text.rpartition(")")[2].split()[0] for text in threads}
        return states == {"T"}
    return False


def holds_locks(process: int) -> bool:
    """True while it holds an flock, which only those on its own host would wait for."""
    rows = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any("FLOCK" in row and str(process) in row for row in rows)


def end(process: int) -> None:
    """Kill it, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    while alive(process):
        time.sleep(0.002)


if __name__ == "__main__":
    main()
