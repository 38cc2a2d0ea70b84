"""The virtual environment of a real Keystone."""

from __future__ import annotations

from pathlib import Path

from support.cached_venv import cached_venv

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"


def keystone_venv() -> Path:
    """Its folder; made at the first call on a machine."""
    return cached_venv("keystone", REQUIREMENTS, [("--requirement", str(REQUIREMENTS))])
