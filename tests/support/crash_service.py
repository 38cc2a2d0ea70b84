"""Share managers that may be killed: one process forks them, ready imported, on request.

Run as a program it reads one JSON `Spec` per line, forks a service for it, and
answers with its process ID. When its input ends, it kills what is left.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import make_url

from abaca.db.database import Database
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.steps import FAULT_VARIABLE
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkOptions

TESTS = Path(__file__).parents[1]
OPTIONS = ManagerOptions(
    work=WorkOptions(
        threads=4,
        poll_seconds=0.02,
        retry=RetryOptions(first=0.02, longest=0.05, jitter=0.01, unexpected=2),
    ),
    report_seconds=30,
    supervise_seconds=0.2,
)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One service to start."""

    world: str
    """``module:function`` that makes the backends from (database, folder, arguments)."""
    folder: str
    database: str
    """Its URL; the tables are there."""
    arguments: dict[str, Any]
    fault: str | None


def main() -> None:
    """Fork services as the input says."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    started: list[int] = []
    for line in sys.stdin:
        wanted = Spec(**json.loads(line))
        make_url(wanted.database).get_dialect().import_dbapi()  # once, not in each
        process = os.fork()
        if process == 0:
            serve(wanted)
        # Not its number: that may be another process's by the end.
        with suppress(ProcessLookupError):
            started.append(os.pidfd_open(process))
        answer(process)
    for service in started:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(service, signal.SIGKILL)


def answer(what: object) -> None:
    """One line to who asked."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def serve(spec: Spec) -> None:
    """Be a service until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(spec.folder)
    output = os.open(folder / "service.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),
    )
    if spec.fault is not None:
        os.environ[FAULT_VARIABLE] = spec.fault
    module, _, function = spec.world.partition(":")
    db = Database(spec.database)
    backends = getattr(import_module(module), function)(db, folder, **spec.arguments)
    ShareManager(db, backends, OPTIONS).start()
    while True:
        signal.pause()


class Nursery:
    """The process that forks services, from a test's side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, spec: Spec) -> int:
        """A new service's process ID."""
        return int(self._ask(json.dumps(asdict(spec))))

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery has died"
        return json.loads(answer)


def steps_of(module: str) -> list[str]:
    """The names of the steps that a process has which imports nothing but what a service needs."""
    program = (
        f"import json, {module}, {__name__}, abaca.steps; print(json.dumps(abaca.steps.names()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    return list(json.loads(done.stdout))


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that ends, with all its services, with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.crash_service"],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Nursery(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


def alive(process: int) -> bool:
    """True until it was killed."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
