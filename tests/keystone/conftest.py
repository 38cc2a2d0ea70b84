"""A real Keystone per worker, an Abaca that believes it, and a real nova and Neutron that do.

A module that has more to do with Abaca's database than that uses ``databases``: it is run on
each kind.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.configuration import text_of
from support.databases import Databases
from support.keystone.cloud import Cloud, authtoken, cloud_of
from support.keystone.server import keystone_server, running
from support.neutron.server import Flavour, NeutronServer
from support.nova.server import NovaServer, nova_server

NO_ROUTERS = "segments"


@pytest.fixture(scope="session")
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """Started once."""
    # Were it an argument, every module would be run on each kind of database.
    databases: Databases = request.getfixturevalue("databases")
    folder = tmp_path_factory.mktemp("cloud")
    with (
        keystone_server(folder) as keystone,
        databases.stored() as stored,
        cloud_of(keystone, folder, stored) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def brief(cloud: Cloud) -> Iterator[str]:
    """Where the same people log in, and get tokens that last seconds; knows the catalog of now."""
    with running(cloud.keystone.folder, seconds=4) as root:
        yield f"{root}/v3"


def tokens(cloud: Cloud, user: str) -> str:
    """The part of a service's configuration that says where tokens are checked, every time."""
    options = {**authtoken(cloud.keystone.url, user), "token_cache_time": -1}
    return "\n" + text_of({"keystone_authtoken": options})


@pytest.fixture(scope="session")
def nova(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NovaServer]:
    """A nova that believes Keystone's tokens, in its catalog."""
    extra = f"\n[api]\nauth_strategy = keystone\n{tokens(cloud, 'nova')}"
    with nova_server(tmp_path_factory.mktemp("nova"), extra) as found:
        cloud.keystone.serve("compute", "nova", public=found.url)
        yield found


@pytest.fixture(scope="session")
def neutron(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NeutronServer]:
    """A Neutron that believes them too, in the catalog; it has no routers."""
    flavour = Flavour(auth="keystone", services=NO_ROUTERS, more=tokens(cloud, "neutron"))
    server = NeutronServer(home=tmp_path_factory.mktemp("neutron"), flavour=flavour)
    server.start()
    cloud.keystone.serve("network", "neutron", public=server.url)
    yield server
    server.stop()
