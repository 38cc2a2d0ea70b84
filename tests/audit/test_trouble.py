"""Audits in trouble: plugins that know of some only, failures, requests that cross."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest

from abaca.db import audits
from abaca.drivers.fake import FakeDriver, FakeServer
from abaca.errors import LeaseLost, NetworkUnavailable
from abaca.manager.comparison import ENOUGH, compare
from abaca.model.finding import Wanted
from abaca.modes import DriverMode
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.network.plugin import Allocation
from abaca.states import ShareStatus
from abaca.work.audits import enqueue_audit
from audit.conftest import CALM, HOST
from support.control_plane import Api, StartManager, backend

SERVERS = 6


class Converging(FakePlugin):
    """Of some servers' addresses it knows nothing for a while."""

    unknown: Collection[str] = ()
    asked = 0

    def check(self, allocations: Sequence[Allocation]) -> None:
        """NetworkUnavailable if one of those is among them."""
        self.asked += 1
        if any(item.claim.owner in self.unknown for item in allocations):
            raise NetworkUnavailable("converging")
        super().check(allocations)


def test_what_is_lost_is_found_beside_what_nobody_knows(api: Api, start: StartManager) -> None:
    """One server is asked about by itself; of a plugin that is down not all are."""
    plugin = Converging([ip_network("10.99.0.0/24")], DriverMode.MANAGED, FakeCloud(), makes=True)
    here = backend("b1", DriverMode.MANAGED, plugin=plugin)
    manager = start(here, options=CALM)
    type_id = api.share_type(DriverMode.MANAGED)
    ids = [api.share(type_id, network_id=api.share_network()) for _ in range(SERVERS)]
    servers = sorted(
        str(api.until_status(item, ShareStatus.AVAILABLE).instance.share_server_id) for item in ids
    )
    api.until_idle()
    assert manager.stop()
    plugin.unknown = servers[:1]
    ports = plugin.cloud.ports
    ports[:] = [item for item in ports if item.claim and item.claim.owner != servers[-1]]
    plugin.asked = 0
    found = {(item.kind, str(item.direction)): item for item in compare(api.db, here).discrepancies}
    assert found.keys() == {("network", "not_asked"), ("address", "missing_in_world")}
    assert found["address", "missing_in_world"].resource_id.startswith(servers[-1])
    assert plugin.asked == 1 + SERVERS
    plugin.unknown, plugin.asked = servers, 0
    (down,) = compare(api.db, here).discrepancies
    assert (down.kind, str(down.direction)) == ("network", "not_asked")
    assert plugin.asked == 1 + ENOUGH


def test_a_lost_lease_is_nobodys_fault(api: Api) -> None:
    """Work that must stop stops, and says nothing of driver or plugin."""
    here = backend("b1", DriverMode.SINGLE)
    assert isinstance(here.driver, FakeDriver)
    here.driver.fail("inventory", LeaseLost("task"))
    with pytest.raises(LeaseLost):
        compare(api.db, here)


def test_a_request_outlives_a_failure(api: Api, start: StartManager) -> None:
    """A repair whose audit failed is told as such, and done by the next one."""
    here = backend("b1", DriverMode.FLAT)
    assert isinstance(here.driver, FakeDriver)
    retry = replace(CALM.work.retry, unexpected=1)
    here.driver.fail("remove_server", *(ZeroDivisionError("by zero") for _ in range(1000)))
    here.driver.world.servers["v"] = FakeServer(addresses=[])
    options = replace(CALM, work=replace(CALM.work, retry=retry), confirm_seconds=0.3)
    start(here, options=options)
    with api.db.write() as tx:
        audits.want(tx, HOST, Wanted.REPAIR)
        enqueue_audit(tx, HOST)
    (told,) = api.until(lambda: [it for it in api.rows("findings") if it["kind"] == "backend"])
    assert (told["direction"], told["detail"]) == ("not_asked", "ZeroDivisionError: by zero")
    here.driver.mend("remove_server")
    api.until(lambda: not here.driver.world.servers)
    api.until(lambda: [row["wanted"] for row in api.rows("audits")] == [None])


@pytest.mark.every_database
@pytest.mark.parametrize("known", [False, True])
def test_requests_that_cross(api: Api, known: bool) -> None:
    """Who asks for an audit while another asks for a repair does not undo that."""
    if known:
        with api.db.write() as tx:
            audits.want(tx, HOST, Wanted.AUDIT)

    def other() -> None:
        with api.db.write() as tx:
            audits.want(tx, HOST, Wanted.AUDIT)

    crossing = threading.Thread(target=other)
    with api.db.write() as tx:
        audits.want(tx, HOST, Wanted.REPAIR)
        crossing.start()
        crossing.join(0.5)
        assert crossing.is_alive(), "it did not wait for the row"
    crossing.join(60)
    assert [row["wanted"] for row in api.rows("audits")] == ["repair"]
