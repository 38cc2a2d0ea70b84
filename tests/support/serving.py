"""Services of a test's own, ended with it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.command import ABACA

SECONDS = 30


@contextmanager
def running(
    argv: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A process until the block ends: its output can be read, what it says besides is logged."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=out, text=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def serving(file: Path, log: Path) -> Iterator[tuple[str, str]]:
    """An `abaca serve`; its URL, and the password of the administrator that it made."""
    with running([ABACA, "serve", "--config-file", str(file)], log) as process:
        yield announced(process, log)


def announced(process: subprocess.Popen[str], log: Path) -> tuple[str, str]:
    """The URL that a service listens on, once it does, and the password that it printed."""
    password = ""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"password (\S+)", line):
            password = found[1]
        if found := re.search(r"listening on (http\S+)", line):
            return found[1], password
    raise AssertionError(log.read_text())
