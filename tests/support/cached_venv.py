"""Virtual environments of real servers, made once and kept outside the repository between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "ABACA_TEST_CACHE"
INSTALL_SECONDS = 1200


def cache_root() -> Path:
    """Where servers for tests are kept; the environment may name another place."""
    return Path(os.environ.get(CACHE_VARIABLE, "/var/cache/abaca-tests"))


def digest(*parts: bytes) -> str:
    """A short name of what something was made from."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:12]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside: others wait, and find what it made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached_venv(name: str, requirements: Path, steps: Sequence[Sequence[str]]) -> Path:
    """The folder of a virtual environment in which each step's ``pip install`` has been run.

    Made again when the requirements, the steps or this Python change.
    """
    said = repr([list(step) for step in steps]).encode()
    made_from = digest(requirements.read_bytes(), said, sys.version.encode())
    folder = cache_root() / f"{name}-{made_from}"
    complete = folder / "complete"
    if complete.exists():
        return folder
    with locked(folder.with_suffix(".lock")):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            for step in steps:
                _run(str(folder / "bin/pip"), "install", "--quiet", *step)
            complete.touch()
    return folder


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}")
