"""One real neutron-server for all tests of this folder, which run in one worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.neutron.server import NeutronServer
from support.neutron.world import Cloud


@pytest.fixture(scope="session")
def neutron(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NeutronServer]:
    """A running Neutron, with nothing in it."""
    server = NeutronServer(home=tmp_path_factory.mktemp("neutron"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def cloud(neutron: NeutronServer) -> Cloud:
    """Its operator's and its tenants' hands."""
    return Cloud(neutron.url)
