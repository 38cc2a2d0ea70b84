"""Real neutron-servers for the tests of this folder, of each test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.neutron.server import Flavour, NeutronServer
from support.neutron.world import Cloud

BARE = """
[ml2]
extension_drivers =
"""


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


@pytest.fixture(scope="session")
def bare_neutron(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NeutronServer]:
    """Another Neutron, with a database of its own, and neither routers nor port security."""
    server = NeutronServer(
        home=tmp_path_factory.mktemp("bare-neutron"),
        flavour=Flavour(services="segments", more=BARE),
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def other_cloud(bare_neutron: NeutronServer) -> Cloud:
    """The hands there."""
    return Cloud(bare_neutron.url)
