"""Backends of the linux driver, each on a host of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hostns import Host, host
from support.linux_scene import MAKERS, Backend


@pytest.fixture
def made_host(tmp_path: Path) -> Iterator[Host]:
    """A host, removed afterwards with all that is on it."""
    with host(tmp_path) as made:
        yield made


@pytest.fixture(params=list(MAKERS), ids=[mode.value for mode in MAKERS])
def backend(request: pytest.FixtureRequest, made_host: Host) -> Backend:
    """A backend in each of the modes."""
    return MAKERS[request.param](made_host)
