"""The `abaca` command as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BIN = Path(sys.executable).parent
ABACA = str(BIN / "abaca")
SECONDS = 60


def abaca(
    *argv: str, code: int = 0, stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it; its exit code must be this one."""
    done = subprocess.run(
        [ABACA, *argv],
        check=False,
        input=stdin,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == code, done.stderr
    return done
