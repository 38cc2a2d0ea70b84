"""A real nova per worker, as it was made for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.modes import DriverMode
from abaca.network.nova_api import NovaApi
from abaca.network.nova_config import Settings
from support.fault_proxy import FaultProxy, fault_proxy
from support.nova.server import NovaServer, nova_server
from support.nova.world import access


@pytest.fixture(scope="session")
def running_nova(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NovaServer]:
    """Started once: that takes 15 s."""
    with nova_server(tmp_path_factory.mktemp("nova")) as found:
        # The first answers take it long.
        NovaApi(Settings.parse("warm", access(found.url), DriverMode.MANAGED).access).networks()
        yield found


@pytest.fixture
def nova(running_nova: NovaServer) -> NovaServer:
    """With all networks, and nobody on them but an instance."""
    running_nova.reset()
    return running_nova


@pytest.fixture
def proxy(nova: NovaServer) -> Iterator[FaultProxy]:
    """Between the plugin and nova."""
    with fault_proxy(nova.url) as found:
        yield found
