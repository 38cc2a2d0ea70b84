"""Shares that can't be made: nothing is left of them, and their project knows why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abaca.db.addresses import DatabaseLedger
from abaca.db.networks import DatabaseRegistry
from abaca.drivers.fake import FakeDriver
from abaca.errors import AddressesExhausted, DriverError, NetworkUnavailable, StorageFull
from abaca.manager.backend import Backend
from abaca.model.message import ActionId, DetailId
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.plugin import PluginHost
from abaca.network.standalone import StandalonePlugin
from abaca.states import ShareStatus
from support.control_plane import Api, StartManager, backend
from support.held import Held, under_way

pytestmark = pytest.mark.every_database

MODE = DriverMode.MANAGED


def nothing_is_left(api: Api, *drivers: FakeDriver) -> None:
    """No object, no server, no address."""
    for table in ("share_servers", "allocations", "addresses", "export_locations"):
        assert api.rows(table) == [], table
    for driver in drivers:
        assert driver.world.servers == {}
        assert driver.world.shares == {}


def test_refused_share_is_released(api: Api, start: StartManager):
    """The share is in error with a message; its server is gone, with its addresses."""
    driver = FakeDriver(MODE)
    start(backend("b1", MODE, driver=driver))
    driver.fail("ensure_share", DriverError("controller on fire"))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    share = api.until_status(share_id, ShareStatus.ERROR)
    api.until_idle()
    nothing_is_left(api, driver)
    assert share.instance.share_server_id is None
    (message,) = api.messages()
    assert (message.resource_id, message.request_id) == (share_id, "req-1")
    assert message.action_id == ActionId.CREATE
    assert "fire" not in message.user_message
    api.delete(share_id)
    api.until_idle()
    assert api.read(share_id) is None


def test_refused_share_leaves_its_neighbours_alone(api: Api, start: StartManager):
    """The server stays when another share is on it."""
    driver = FakeDriver(MODE)
    start(backend("b1", MODE, driver=driver))
    type_id, network = api.share_type(MODE), api.share_network()
    good = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    driver.fail("ensure_share", DriverError("no"))
    api.until_status(api.share(type_id, network_id=network), ShareStatus.ERROR)
    api.until_idle()
    assert set(driver.world.shares) == {good.instance.id}
    assert [row["status"] for row in api.rows("share_servers")] == ["active"]


def test_full_backend_hands_over(api: Api, start: StartManager):
    """A share that finds its pool full is made on the other backend; the first is clean."""
    full, free = FakeDriver(MODE), FakeDriver(MODE, capacity_gib=100)
    full.fail("ensure_share", StorageFull("full after all"))
    start(backend("full", MODE, driver=full), backend("free", MODE, driver=free))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    assert share.instance.host == "node1@free"
    assert share.instance.excluded == ("node1@full",)
    assert set(free.world.shares) == {share.instance.id}
    assert (full.world.shares, full.world.servers) == ({}, {})
    assert [row["host"] for row in api.rows("share_servers")] == ["node1@free"]
    assert api.messages() == []


def test_exhausted_addresses_hand_over(api: Api, start: StartManager):
    """So does a backend whose network has no address left."""
    first, second = FakeDriver(MODE), FakeDriver(MODE, capacity_gib=100)
    dry = backend("dry", MODE, driver=first)
    assert isinstance(dry.plugin, FakePlugin)
    dry.plugin.cloud.fail("create_port", AddressesExhausted("none left"))
    start(dry, backend("wet", MODE, driver=second))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    assert api.until_status(share_id, ShareStatus.AVAILABLE).instance.host == "node1@wet"
    api.until_idle()
    assert dry.plugin.cloud.ports == []


def test_nowhere_else_to_go(api: Api, start: StartManager):
    """With no other backend the message says what happened, and that nothing else fits."""
    driver = FakeDriver(MODE)
    driver.fail("ensure_share", StorageFull("full"))
    start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.ERROR)
    api.until_idle()
    nothing_is_left(api, driver)
    (message,) = api.messages()
    assert message.action_id == ActionId.ALLOCATE_HOST
    assert message.detail_id == DetailId.NO_VALID_HOST
    assert "The storage pool is full." in message.user_message


def test_network_that_is_away_for_a_moment(api: Api, start: StartManager):
    """The share waits for it."""
    away = backend("b1", MODE)
    assert isinstance(away.plugin, FakePlugin)
    away.plugin.cloud.fail("create_port", *(NetworkUnavailable("away") for _ in range(3)))
    start(away)
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.AVAILABLE)
    assert api.messages() == []


def test_delete_overtakes_creation(api: Api, start: StartManager):
    """A share deleted while it is being made goes at the next step, with all that was made."""
    driver = Held(MODE, "ensure_server")
    manager = start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    assert driver.gate.reached.wait(60)
    api.delete(share_id)
    lease = under_way(manager)
    api.until(lambda: lease._interruption)
    driver.gate.open.set()
    api.until_idle()
    assert api.read(share_id) is None
    assert "ensure_share" not in driver.calls
    nothing_is_left(api, driver)


def _flat(api: Api, name: str, section: str, driver: FakeDriver, ranges: str) -> Backend:
    lent = PluginHost(
        name="node1",
        mode=DriverMode.FLAT,
        ledger=DatabaseLedger(api.db),
        registry=DatabaseRegistry(api.db),
        fabric=None,
    )
    values = {"gateway": "10.10.0.1", "mask": "24", "allowed_ip_ranges": [ranges]}
    return backend(
        name,
        DriverMode.FLAT,
        driver=driver,
        plugin=StandalonePlugin.from_config(section, values, lent),
        section=section,
    )


def test_more_projects_than_addresses(api: Api, start: StartManager, tmp_path: Path):
    """32 projects at once on 31 addresses: 31 shares, one clear refusal, no address twice."""
    driver = FakeDriver(DriverMode.FLAT, state_file=tmp_path / "world.json")
    start(_flat(api, "b1", "flat1", driver, "10.10.0.10-10.10.0.40"))
    type_id = api.share_type(DriverMode.FLAT)
    projects = [f"project{number}" for number in range(32)]
    networks = {item: api.share_network(project_id=item) for item in projects}

    def ask(project: str) -> str:
        return api.share(type_id, network_id=networks[project], project_id=project)

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, projects))
    api.until_idle(60)
    found = [api.read(share_id) for share_id in asked]
    statuses = [share.instance.status for share in found if share is not None]
    assert statuses.count(ShareStatus.AVAILABLE) == 31
    assert statuses.count(ShareStatus.ERROR) == 1
    taken = [item for server in driver.world.servers.values() for item in server.addresses]
    assert len(taken) == len(set(taken)) == 31
    (message,) = api.messages()
    assert message.detail_id == DetailId.SUBNET_FULL
    assert "No free network address is left" in message.user_message


def test_backends_may_share_a_network_section(api: Api, start: StartManager):
    """Two backends that name one section never give out one address twice."""
    first, second = FakeDriver(DriverMode.FLAT), FakeDriver(DriverMode.FLAT, capacity_gib=100)
    first.fail("ensure_share", StorageFull("full"))
    start(
        _flat(api, "b1", "flat1", first, "10.10.0.10-10.10.0.40"),
        _flat(api, "b2", "flat1", second, "10.10.0.10-10.10.0.40"),
    )
    type_id, network = api.share_type(DriverMode.FLAT), api.share_network()
    api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.until_idle()
    taken = [
        address
        for driver in (first, second)
        for server in driver.world.servers.values()
        for address in server.addresses
    ]
    assert len(taken) == len(set(taken)) == 2
