"""`.ci/run` passes only if tests ran, all of them, and nothing failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCH = "21 passed in 3.1s"
GOOD = "==== 4080 passed in 1200.12s (0:20:00) ===="


@pytest.mark.parametrize(
    ("code", "said", "passes", "why"),
    [
        (0, [ARCH, GOOD], True, "passed"),
        (2, [ARCH, GOOD], False, "exit 2"),
        (2, [ARCH, "==== 1 failed, 4079 passed in 1200.12s ===="], False, "exit 2"),
        (0, [], False, "no test ran"),
        (0, [ARCH, "==== 4080 deselected in 1.12s ===="], False, "no test ran"),
        (0, [ARCH, "==== 4079 passed, 1 skipped in 1200.12s ===="], False, "skipped"),
        (0, ["==== 640 passed, 2 xfailed in 20.12s ====", GOOD], False, "skipped"),
    ],
)
def test_what_passes(code: int, said: list[str], passes: bool, why: str, tmp_path: Path) -> None:
    """By what `make check` says in its summaries, and by how it ends."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    make = tmp_path / "bin/make"
    lines = "\n".join(f"echo '{line}'" for line in said)
    make.write_text(f'#!/bin/sh\n[ "$*" = check ] || exit 9\n{lines}\nexit {code}\n')
    make.chmod(0o755)
    done = subprocess.run(
        [tmp_path / ".ci/run"],
        env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode == 0) is passes, done.stdout
    *_, verdict, last = done.stdout.splitlines()
    assert verdict.startswith("ci: ")
    assert why in verdict
    assert last == (said[-1] if said else "no test summary")
