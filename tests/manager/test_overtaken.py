"""Workers that slept past their leases in the middle of a step, which they finish awake."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from abaca.db.tables import tasks
from abaca.errors import DriverError
from abaca.modes import DriverMode
from abaca.states import ShareStatus
from abaca.work import queue
from support.control_plane import Api, StartManager, backend
from support.held import Sleeper

pytestmark = pytest.mark.every_database

MODE = DriverMode.MANAGED


def overtaken(api: Api, driver: Sleeper) -> None:
    """The sleeper is in the middle of the verb, and somebody else has its task."""
    assert driver.gate.reached.wait(60)
    with api.db.write() as tx:
        workers = tx.execute(select(tasks.c.worker).where(tasks.c.worker.is_not(None)))
        assert queue.break_leases(tx, workers.scalars().all()) == 1


def test_a_server_that_was_removed_is_not_left_behind(api: Api, start: StartManager) -> None:
    """The other worker fails, and takes the server away; then the sleeper makes it again."""
    driver = Sleeper(MODE, "ensure_server")
    driver.fail("ensure_share", DriverError("controller on fire"))
    manager = start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    overtaken(api, driver)
    api.until_status(share_id, ShareStatus.ERROR)
    api.until(lambda: not api.rows("share_servers"))
    assert driver.world.servers == {}
    driver.gate.open.set()
    assert manager.stop()
    assert driver.calls.count("ensure_server") == 2
    assert driver.world.servers == {}
    assert api.rows("allocations") == []


def test_a_share_that_was_deleted_is_not_left_behind(api: Api, start: StartManager) -> None:
    """The other worker makes it, it is deleted, and then the sleeper makes it again."""
    driver = Sleeper(MODE, "ensure_share")
    manager = start(backend("b1", MODE, driver=driver))
    type_id, network = api.share_type(MODE), api.share_network()
    share_id = api.share(type_id, network_id=network)
    overtaken(api, driver)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    neighbour = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.delete(share_id)
    api.until(lambda: api.read(share_id) is None)
    driver.gate.open.set()
    assert manager.stop()
    assert set(driver.world.shares) == {neighbour.instance.id}


def test_a_share_that_the_other_worker_made_stays(api: Api, start: StartManager) -> None:
    """Nothing is taken back of what is wanted where it is."""
    driver = Sleeper(MODE, "ensure_share")
    manager = start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    overtaken(api, driver)
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    driver.gate.open.set()
    assert manager.stop()
    assert set(driver.world.shares) == {share.instance.id}
    assert set(driver.world.servers) == {share.instance.share_server_id}


def test_a_snapshot_that_was_deleted_is_not_left_behind(api: Api, start: StartManager) -> None:
    """The other worker takes it, it is deleted, and then the sleeper takes it again."""
    driver = Sleeper(MODE, "ensure_snapshot")
    manager = start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.AVAILABLE)
    snapshot_id = api.snapshot(share_id)
    overtaken(api, driver)
    api.until(lambda: api.rows("snapshot_instances")[0]["status"] == "available")
    api.delete_snapshot(snapshot_id)
    api.until(lambda: not api.rows("snapshots"))
    driver.gate.open.set()
    assert manager.stop()
    assert driver.world.snapshots == {}


def test_rules_of_before_do_not_stay_in_force(api: Api, start: StartManager) -> None:
    """A rule is applied by the other worker, and denied, and then the sleeper applies it."""
    driver = Sleeper(MODE, "apply_access")
    start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    rule_id = api.allow(share_id, "10.0.0.0/24")
    overtaken(api, driver)
    api.until(lambda: api.rows("access_rules")[0]["state"] == "active")
    api.deny(share_id, rule_id)
    api.until(lambda: not api.rows("access_rules"))
    api.until_idle()
    assert driver.world.shares[share.instance.id].rules == []
    before = driver.calls.count("apply_access")
    driver.gate.open.set()
    api.until(lambda: driver.calls.count("apply_access") > before)
    api.until_idle()
    assert driver.world.shares[share.instance.id].rules == []
