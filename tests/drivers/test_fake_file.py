"""The file in which a fake backend keeps its world, where several processes share it."""

from __future__ import annotations

from pathlib import Path

from abaca.drivers.fake import FakeDriver
from abaca.modes import DriverMode


def test_no_two_versions_are_alike(tmp_path: Path) -> None:
    """However quickly they follow each other: else a process would miss what another wrote."""
    file = tmp_path / "world.json"
    driver = FakeDriver(DriverMode.SINGLE, state_file=file)
    stamps = set()
    for _ in range(100):
        driver._keep()
        stamps.add(file.stat().st_mtime_ns)
    assert len(stamps) == 100
