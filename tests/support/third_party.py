"""Drivers and plugins of somebody else, as if they were installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from support.configuration import text_of


def third_party(folder: Path, code: str, **points: Mapping[str, str]) -> dict[str, str]:
    """A package in the folder; the environment in which it is installed.

    ``points`` are the classes of ``code``: ``share_drivers`` and ``network_plugins``, by name.
    """
    (folder / "third_party.py").write_text(code)
    info = folder / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    groups = {
        f"abaca.{group}": {name: f"third_party:{kind}" for name, kind in named.items()}
        for group, named in points.items()
    }
    (info / "entry_points.txt").write_text(text_of(groups))
    return {**os.environ, "PYTHONPATH": str(folder)}
