"""The benchmarks work: each in its short form. What they measure is asserted nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 240
PARTS = {
    "ipam": "first-free scan",
    "api": "bare framework",
    "provisioning": "its database round trips",
    "startup": "bare framework",
    "share_server": "Ganesha by hand",
    "data_path": "the same Ganesha without Abaca",
}
"""Each benchmark, and words of what it is compared with."""
REAL = ("share_server", "data_path")


def short(folder: Path, *names: str) -> dict[str, Any]:
    """What the command wrote for machines, after it had ended well."""
    file = folder / "rows.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *names, "--short", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"[{len(names)}/{len(names)}] {names[-1]}" in done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    assert len(done.stdout.splitlines()) > len(found["rows"])
    return found


def check(found: dict[str, Any], names: tuple[str, ...]) -> None:
    """Each benchmark has rows with figures, and some beside a baseline."""
    assert found["short"] is True
    assert found["machine"]["processors"] >= 1
    for name in names:
        rows = [row for row in found["rows"] if row["bench"] == name]
        assert all(row["value"] > 0 and row["what"] for row in rows)
        beside = [row for row in rows if PARTS[name] in row["against"]]
        assert beside
        assert all(row["ratio"] == row["value"] / row["baseline"] for row in beside)


def test_control_plane(tmp_path: Path) -> None:
    """Addresses, API, provisioning and start-up, on SQLite."""
    names = tuple(name for name in PARTS if name not in REAL)
    check(short(tmp_path, *names), names)


@pytest.mark.dataplane
def test_data_plane(tmp_path: Path) -> None:
    """A real share server, and a file copied through it."""
    check(short(tmp_path, *REAL), REAL)


def test_every_benchmark_is_tried() -> None:
    """The help names them all, and refuses others."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    told = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    files = {file.stem for file in (ROOT / "benchmarks").glob("*.py")}
    assert set(PARTS) == {name for name in files & told if not name.startswith("_")}
    wrong = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "is no benchmark; there are" in wrong.stderr
