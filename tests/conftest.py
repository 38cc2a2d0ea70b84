"""What tests of every kind may ask for: databases, on each server that Abaca runs on; clients.

A test that is marked ``every_database`` runs once on each (the environment variable
``ABACA_TEST_DATABASES`` names fewer), every other test on SQLite. With ``ABACA_TEST_DATABASE``
set to another kind, those others run that use a database, on that kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from abaca.db.database import Database
from abaca.testing.ledger_world import without_sync
from support.configuration import Options
from support.databases import Databases, main, wanted
from support.openstack_client import OpenStackClient

EMPTY, READY = "empty_url", "database_url"
USES = {EMPTY, READY, "databases"}
# On a busy host an example takes as long as it takes.
settings.register_profile("abaca", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("abaca")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the marked tests on every kind of database."""
    if metafunc.definition.get_closest_marker("every_database") is None:
        return
    for name in (EMPTY, READY):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, wanted(), indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another main database only what uses one is new."""
    if main() == "sqlite":
        return
    new = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and USES.intersection(item.fixturenames)
        and item.get_closest_marker("every_database") is None
        and item.get_closest_marker("sqlite") is None
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in new])
    items[:] = new


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    """What a command of `abaca` said about logs is over with its test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The database servers of this test process."""
    servers = Databases()
    yield servers
    servers.close()


@pytest.fixture
def stored(databases: Databases) -> Iterator[Mapping[str, Options]]:
    """What a service's configuration says of its database: `Databases.stored`."""
    with databases.stored() as sections:
        yield sections


@pytest.fixture(scope="session")
def openstack_client() -> Iterator[OpenStackClient]:
    """The `openstack` command of this test process."""
    client = OpenStackClient()
    yield client
    client.close()


@pytest.fixture
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, databases: Databases
) -> Iterator[str]:
    """A database without rows; on SQLite without tables too: `Database.create_schema` is right."""
    kind = getattr(request, "param", main())
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/abaca.db"
        return
    url = databases.take(kind)
    yield url
    databases.give_back(kind, url)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A database with all tables and no rows."""
    made = Database(database_url)
    made.create_schema()
    yield made
    made.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, for many quick writes: it does not wait for the disk."""
    made = Database(database_url)
    if made.is_sqlite:
        without_sync(made)
    made.create_schema()
    yield made
    made.close()


@pytest.fixture
def empty_url(
    request: pytest.FixtureRequest, tmp_path: Path, databases: Databases
) -> Iterator[str]:
    """A database with nothing in it, not even tables."""
    kind = getattr(request, "param", main())
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    url = databases.server(kind).create()
    yield url
    databases.server(kind).drop(url)
