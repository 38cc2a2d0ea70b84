"""What was made stays: servers that die, hosts that reboot, managers that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from abaca.db import share_servers
from abaca.db.tables import now, tasks
from abaca.db.tables import share_servers as table
from abaca.drivers.fake import FakeDriver
from abaca.errors import DriverError
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.states import ShareStatus
from manager.conftest import FAST
from support.control_plane import Api, StartManager, backend
from support.held import Held, under_way


def _share(api: Api, mode: DriverMode) -> str:
    network = api.share_network() if mode.has_share_servers else None
    return api.share(api.share_type(mode), network_id=network)


@pytest.mark.parametrize("mode", DriverMode)
def test_reboot(api: Api, start: StartManager, mode: DriverMode):
    """Everything of run-time is gone: at the next start all comes back at the same places."""
    driver = FakeDriver(mode)
    here = backend("b1", mode, driver=driver)
    first = start(here, options=replace(FAST, supervise_seconds=60))
    share_id = _share(api, mode)
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    api.allow(share_id, "10.0.0.0/8")
    driver.fill(share.instance.id, "data")
    api.until_idle()
    before = api.rows("export_locations")
    assert first.stop()

    driver.world.reboot()
    driver.world.shares[share.instance.id].rules = []
    start(here, options=replace(FAST, supervise_seconds=60))
    api.until(lambda: driver.world.shares[share.instance.id].exported)
    api.until_idle()
    assert driver.world.shares[share.instance.id].content == "data"
    assert driver.world.shares[share.instance.id].rules == [("10.0.0.0/8", "rw")]
    assert all(server.serving for server in driver.world.servers.values())
    assert api.rows("export_locations") == before
    assert api.messages() == []


@pytest.mark.parametrize("mode", DriverMode)
def test_dead_server_is_brought_back(api: Api, start: StartManager, mode: DriverMode):
    """A server that dies while its manager runs serves again soon, with its shares."""
    driver = FakeDriver(mode)
    start(backend("b1", mode, driver=driver))
    share = api.until_status(_share(api, mode), ShareStatus.AVAILABLE)
    api.until_idle()
    driver.world.reboot()
    api.until(lambda: driver.world.shares[share.instance.id].exported)
    api.until(lambda: all(server.serving for server in driver.world.servers.values()))


def test_share_that_finds_its_server_dead_brings_back_its_neighbours(api: Api, start: StartManager):
    """Whoever notices first, everything on the server is exported again."""
    driver = FakeDriver(DriverMode.FLAT)
    start(
        backend("b1", DriverMode.FLAT, driver=driver), options=replace(FAST, supervise_seconds=60)
    )
    type_id, network = api.share_type(DriverMode.FLAT), api.share_network()
    first = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.until_idle()
    driver.world.reboot()
    api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.until_idle()
    assert driver.world.shares[first.instance.id].exported


def test_share_server_is_reused(api: Api, start: StartManager):
    """A second share of the project on the network gets the same server, another one not."""
    start(backend("b1", DriverMode.FLAT))
    type_id, network = api.share_type(DriverMode.FLAT), api.share_network()
    shares = [
        api.until_status(
            api.share(type_id, network_id=network, project_id=project), ShareStatus.AVAILABLE
        )
        for project in ("p1", "p1", "p2")
    ]
    first, second, other = (share.instance.share_server_id for share in shares)
    assert first == second != other


def hurry(api: Api) -> None:
    """What waits for its time is looked at now."""
    with api.db.write() as tx:
        tx.execute(update(tasks).values(due_at=0.0))


def waits(task: Mapping[str, Any]) -> bool:
    """True once the task was looked at, and put off."""
    return task["lease_until"] is None and task["due_at"] > 0


def test_idle_server_waits_and_may_be_used_again(api: Api, start: StartManager):
    """With a delay a server outlives its last share, serves the next one, and then goes."""
    driver = FakeDriver(DriverMode.FLAT)
    start(
        backend("b1", DriverMode.FLAT, driver=driver),
        options=replace(FAST, share_server_idle_seconds=3600),
    )
    type_id, network = api.share_type(DriverMode.FLAT), api.share_network()
    first = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.delete(first.id)
    api.until(lambda: api.read(first.id) is None)
    second = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    assert second.instance.share_server_id == first.instance.share_server_id
    hurry(api)
    api.until_idle()
    assert len(driver.world.servers) == 1, "in use again, it was removed for its first share"
    api.delete(second.id)
    api.until(lambda: api.read(second.id) is None)
    hurry(api)
    api.until(lambda: [waits(row) for row in api.rows("tasks")] == [True])
    assert len(driver.world.servers) == 1, "looked at before its time it stays"
    with api.db.write() as tx:
        tx.execute(update(table).values(unused_since=now() - timedelta(hours=2)))
    hurry(api)
    api.until_idle()
    assert driver.world.servers == {}
    assert api.rows("share_servers") == []


def test_server_on_its_way_out_gets_no_share(api: Api, start: StartManager):
    """A share asked for while the server is being removed gets a new one."""
    driver = Held(DriverMode.FLAT, "remove_server")
    start(backend("b1", DriverMode.FLAT, driver=driver))
    type_id, network = api.share_type(DriverMode.FLAT), api.share_network()
    first = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    api.delete(first.id)
    assert driver.gate.reached.wait(60)
    assert [row["slot"] for row in api.rows("share_servers")] == [None]
    second = api.until_status(api.share(type_id, network_id=network), ShareStatus.AVAILABLE)
    driver.gate.open.set()
    api.until_idle()
    assert second.instance.share_server_id != first.instance.share_server_id
    assert set(driver.world.servers) == {second.instance.share_server_id}


def test_condemned_server_goes_at_once(api: Api, start: StartManager):
    """A server that an administrator deletes does not wait for its delay; one in use stays."""
    driver = FakeDriver(DriverMode.FLAT)
    options = replace(FAST, share_server_idle_seconds=60, supervise_seconds=0.1)
    start(backend("b1", DriverMode.FLAT, driver=driver), options=options)
    share = api.until_status(_share(api, DriverMode.FLAT), ShareStatus.AVAILABLE)
    server_id = share.instance.share_server_id
    assert server_id is not None
    with api.db.write() as tx:
        assert not share_servers.condemn(tx, server_id)
    api.delete(share.id)
    api.until(lambda: api.read(share.id) is None)
    with api.db.write() as tx:
        assert share_servers.condemn(tx, server_id)
    start(backend("b1", DriverMode.FLAT, driver=driver), options=options)
    api.until_idle()
    assert driver.world.servers == {}


def test_orphans_are_collected(api: Api, start: StartManager):
    """Ports that no server accounts for are removed; those in use are not."""
    here = backend("b1", DriverMode.FLAT)
    plugin = here.plugin
    assert isinstance(plugin, FakePlugin)
    options = replace(FAST, audit_seconds=0.1, confirm_seconds=0.05, orphan_seconds=0)
    stray = Claim(owner="gone", label=Label.USER, subnet="net-b1", index=0)
    plugin.allocate(SubnetRef(key="net-b1"), [stray], host="node1")
    start(here, options=options)
    api.until_status(_share(api, DriverMode.FLAT), ShareStatus.AVAILABLE)
    api.until(lambda: plugin.cloud.port(stray) is None)
    assert len(plugin.cloud.ports) == 1


def test_manager_is_seen_and_reports_its_pools(api: Api, start: StartManager):
    """The scheduler knows what is free, less what was promised; the service shows that it lives."""
    driver = FakeDriver(DriverMode.SINGLE, capacity_gib=100)
    start(backend("b1", DriverMode.SINGLE, driver=driver))
    (service,) = api.rows("services")
    assert (service["host"], service["binary"]) == ("node1@b1", "manila-share")
    share_id = api.share(api.share_type(DriverMode.SINGLE), size=30)
    (pool,) = api.rows("pools")
    assert pool["free_gib"] == 70
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until(lambda: api.rows("services")[0]["seen_at"] > service["seen_at"])  # type: ignore[operator]
    (pool,) = api.rows("pools")
    assert (pool["total_gib"], pool["free_gib"], pool["driver_mode"]) == (100, 70, "single_svm")


def test_server_that_could_not_be_removed_is_tried_again(api: Api, start: StartManager):
    """It is in error, and goes once the storage works again."""
    driver = FakeDriver(DriverMode.FLAT)
    start(backend("b1", DriverMode.FLAT, driver=driver), options=replace(FAST, sweep_seconds=0.4))
    share_id = _share(api, DriverMode.FLAT)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    driver.fail("remove_server", *(DriverError("no") for _ in range(1000)))
    api.delete(share_id)
    api.until(lambda: [row["status"] for row in api.rows("share_servers")] == ["error"])
    driver.mend("remove_server")
    api.until(lambda: not api.rows("share_servers"))
    assert driver.world.servers == {}


def test_asking_for_a_removal_again_does_not_hold_it_up(api: Api, start: StartManager):
    """A client that sends DELETE all the time gets what it asks for."""
    driver = Held(DriverMode.SINGLE, "remove_share")
    manager = start(backend("b1", DriverMode.SINGLE, driver=driver))
    share_id = _share(api, DriverMode.SINGLE)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.delete(share_id)
    assert driver.gate.reached.wait(60)
    lease = under_way(manager)
    for _ in range(4):
        seen = lease.noticed
        api.delete(share_id)
        api.until(lambda seen=seen: lease.noticed > seen)
    driver.gate.open.set()
    api.until_idle()
    assert api.read(share_id) is None
    assert driver.calls.count("remove_share") == 1


def test_restart_remembers_who_asked(api: Api, start: StartManager):
    """What a manager looks at by itself does not replace the request that is waiting."""
    driver = FakeDriver(DriverMode.SINGLE)
    here = backend("b1", DriverMode.SINGLE, driver=driver)
    assert start(here).stop()
    share_id = _share(api, DriverMode.SINGLE)
    driver.fail("ensure_share", DriverError("no"))
    start(here)
    api.until_status(share_id, ShareStatus.ERROR)
    assert [item.request_id for item in api.messages()] == ["req-1"]
