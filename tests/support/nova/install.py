"""The virtual environment of a real nova that still has nova-network."""

from __future__ import annotations

from pathlib import Path

from support.cached_venv import cached_venv

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
STEPS = (
    ("setuptools==65.5.0", "wheel", "packaging==21.3"),
    ("--no-build-isolation", "--requirement", str(REQUIREMENTS)),
    ("--no-deps", "nova==17.0.13"),
)


def nova_venv() -> Path:
    """Its folder; made at the first call on a machine, which takes minutes and a C compiler."""
    return cached_venv("nova", REQUIREMENTS, STEPS)
