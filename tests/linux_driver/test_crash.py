"""Killed at any step, the work goes on in a new process and ends as if nothing was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from abaca import steps
from support import hostns
from support.hostns import Host
from support.linux_scene import Backend, flat

pytestmark = [pytest.mark.dataplane, pytest.mark.slow]

PRINT_NAMES = "import abaca.drivers.linux; from abaca import steps; print(*steps.names())"


def names() -> list[str]:
    """Steps of the driver alone: other modules of this test session may have registered theirs."""
    argv = [sys.executable, "-c", PRINT_NAMES]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    return [name for name in listed.split() if not name.startswith("fabric.")]


POINTS = [f"{name}:after" for name in names()]
"""Before a step is after the one before it: one of the two is enough."""


def test_there_are_enough_steps() -> None:
    """Set-up and removal of servers and shares is at least a dozen steps."""
    assert len([name for name in names() if ".create." in name or ".delete." in name]) >= 12


def run(backend: Backend, fault: str | None) -> int:
    """Run the life in a process of its own; its exit code."""
    values = ";".join(
        f"{key}={','.join(value) if isinstance(value, list) else value}"
        for key, value in backend.values.items()
    )
    host = backend.host
    arguments = [host.netns, str(host.folder), host.deployment, backend.mode.value, values]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop(steps.FAULT_VARIABLE, None)
    if fault is not None:
        environment[steps.FAULT_VARIABLE] = fault
    return subprocess.run(
        [sys.executable, "-m", "support.driver_life", *arguments],
        env=environment,
        check=False,
        timeout=120,
    ).returncode


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_the_life_goes_on(made_host: Host, point: str) -> None:
    """The process dies at this point; the next one finishes, and nothing is left behind."""
    backend = flat(made_host)
    assert run(backend, point) == -signal.SIGKILL
    assert run(backend, None) == 0
    assert made_host.servers() == []
    assert hostns.processes(made_host) == []
    assert not list(made_host.folder.rglob("*.img"))
    assert not list((made_host.folder / "storage").rglob("*.json"))
