"""An `abaca serve` of a test's own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent


@contextmanager
def serving(file: Path, log: Path) -> Iterator[tuple[str, str]]:
    """Runs until the block ends; its URL, and the password of the administrator that it made."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / "abaca"), "serve", "--config-file", str(file)],
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        )
    try:
        yield announced(process, log)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


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
