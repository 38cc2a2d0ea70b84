"""A program of ours that goes on without us: found again by its own argument, stopped by identity.

Its PID and start time are kept in a file. If the file is missing or wrong (we
died between starting and writing), the process is looked for among all by an
argument that no other program has: the path of its own configuration. That is
long work on a host with many processes, so where a daemon can't run yet the
file says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from abaca.errors import LinuxError
from abaca.linux.command import (
    is_running,
    kill_process,
    process_identity,
    start_daemon,
    stop_process,
)
from abaca.linux.files import write_whole

_STARTERS = frozenset({"unshare"})
_NEVER = "never started\n"


class NotReady(LinuxError):
    """It runs, and took longer to begin its work than its caller would wait: it may yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One daemon: ``program`` run with ``marker`` as one of its arguments."""

    program: str
    marker: str
    record: Path
    log: Path

    def identity(self) -> tuple[int, int] | None:
        """PID and start time if it runs."""
        recorded = self._recorded()
        if recorded is not None and is_running(*recorded):
            return recorded
        return None if self._said() == _NEVER else self._search()

    def never_started(self) -> None:
        """It is known not to run: its server is being made."""
        self.record.write_text(_NEVER, encoding="ascii")

    def start(
        self, argv: Sequence[str], *, netns: str | None, env: Mapping[str, str] | None = None
    ) -> tuple[int, int]:
        """Start it, unless it runs; LinuxError with its last words if it ends at once."""
        running = self.identity()
        if running is None:
            return self.launch(argv, netns=netns, env=env)
        self._note(running)
        return running

    def launch(
        self, argv: Sequence[str], *, netns: str | None, env: Mapping[str, str] | None = None
    ) -> tuple[int, int]:
        """`start` for a caller who has just seen that it does not run."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.record.unlink(missing_ok=True)
        pid = start_daemon(argv, netns=netns, log=self.log, env=env)
        try:
            running = process_identity(pid)
        except LinuxError as error:
            raise LinuxError(f"{self.program} ended at once: {self.last_words()}") from error
        self._note(running)
        return running

    def stop(self, *, timeout: float = 10) -> None:
        """Return when it is gone; succeeds if it does not run."""
        recorded = self._recorded()
        if recorded is not None:
            # The last that was started: a start takes the record away first.
            stop_process(*recorded, timeout=timeout)
        while recorded is None and (running := self.identity()) is not None:
            stop_process(*running, timeout=timeout)
        self.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """It is ending: `stop` waits until it is gone."""
        recorded = self._recorded()
        if recorded is not None:
            kill_process(*recorded)

    def last_words(self) -> str:
        """The end of its log."""
        with suppress(FileNotFoundError):
            return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return ""

    def _note(self, running: tuple[int, int]) -> None:
        if running != self._recorded():
            write_whole(self.record, f"{running[0]} {running[1]}\n", durable=False)

    def _recorded(self) -> tuple[int, int] | None:
        with suppress(ValueError):
            pid, start = self._said().split()
            return int(pid), int(start)
        return None

    def _said(self) -> str:
        try:
            return self.record.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def _search(self) -> tuple[int, int] | None:
        marker = self.marker.encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError, LinuxError):
                with (entry / "cmdline").open("rb", 0) as file:
                    said = file.read()
                # Of a host's many processes most are out after this one comparison.
                if marker not in said:
                    continue
                argv = said.decode(errors="replace").split("\0")
                name = Path(argv[0]).name
                if self.marker in argv and (name == self.program or name in _STARTERS):
                    return process_identity(int(entry.name))
        return None
