"""Audits: every difference is found both ways, work in progress is none, what is safe is mended."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from abaca.db import audits, findings
from abaca.db import tables as t
from abaca.db.tables import now
from abaca.drivers.driver import Inventory
from abaca.drivers.fake import FakeDriver, FakeServer, FakeShare, FakeSnapshot
from abaca.errors import BackendUnavailable, NetworkUnavailable
from abaca.manager.comparison import compare
from abaca.model.finding import Direction, Discrepancy, Finding, FindingState, Wanted
from abaca.model.share import Share
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.states import ShareStatus
from abaca.work.audits import enqueue_audit
from audit.conftest import BUSY, CALM, HOST, until_audited
from support.control_plane import Api, StartManager, backend

STRAY = Claim(owner="gone", label=Label.USER, subnet="net-b1", index=0)


class Slow(FakeDriver):
    """Lists what it has once it may."""

    def __init__(self, mode: DriverMode) -> None:
        super().__init__(mode)
        self.may = threading.Event()
        self.reads: list[str] = []

    def inventory(self) -> Inventory:
        """After waiting."""
        self.reads.append("begun")
        assert self.may.wait(60)
        return super().inventory()


class Site:
    """One backend with a share, a snapshot and, in the multi modes, a share server."""

    def __init__(
        self, api: Api, start: StartManager, mode: DriverMode, driver: FakeDriver | None = None
    ) -> None:
        self.api = api
        self.driver = driver or FakeDriver(mode)
        self.backend = backend("b1", mode, driver=self.driver)
        self.manager = start(self.backend, options=CALM)
        network = api.share_network() if mode.has_share_servers else None
        self.share = self.made(api.share(api.share_type(mode), network_id=network))
        self.snapshot_id = api.snapshot(self.share.id)
        api.until_idle()

    def made(self, share_id: str) -> Share:
        """The share, once it is there."""
        return self.api.until_status(share_id, ShareStatus.AVAILABLE)

    @property
    def plugin(self) -> FakePlugin:
        """Its network."""
        assert isinstance(self.backend.plugin, FakePlugin)
        return self.backend.plugin

    def seen(self) -> set[tuple[str, str, str]]:
        """What one look sees."""
        return {item.key for item in compare(self.api.db, self.backend).discrepancies}


def found(api: Api, state: FindingState = FindingState.FOUND) -> dict[tuple[str, str], Finding]:
    """What the table says, by kind and direction."""
    with api.db.read() as tx:
        every = [item for host in (HOST, "node1@b2") for item in findings.of_host(tx, host)]
    return {(item.kind, str(item.direction)): item for item in every if item.state is state}


def look(api: Api) -> None:
    """Have the backend audited once."""
    with api.db.write() as tx:
        enqueue_audit(tx, HOST)
    api.until_idle()


@pytest.mark.parametrize("mode", DriverMode)
def test_what_fits_is_no_finding(api: Api, start: StartManager, mode: DriverMode) -> None:
    """Share, snapshot, server and addresses as they should be: nothing is seen."""
    assert Site(api, start, mode).seen() == set()


@pytest.mark.parametrize("mode", DriverMode)
def test_made_behind_its_back(api: Api, start: StartManager, mode: DriverMode) -> None:
    """What driver and plugin have and no row knows is seen, each by its name."""
    site = Site(api, start, mode)
    world, wanted = site.driver.world, set()
    world.shares["s"] = FakeShare(server=None, size_gib=1, export_id=9)
    world.snapshots["t"] = FakeSnapshot("s", "", 0)
    world.strays.append("p")
    wanted |= {("share", "s"), ("snapshot", "t"), ("part", "p")}
    if mode.has_share_servers:
        world.servers["v"] = FakeServer(addresses=[])
        site.plugin.allocate(SubnetRef(key="net-b1", net_id="n"), [STRAY], host="node1")
        wanted |= {("share_server", "v"), ("network", "port of gone")}
    missing = str(Direction.MISSING_IN_LEDGER)
    assert site.seen() == {(*item, missing) for item in wanted}


@pytest.mark.parametrize("mode", DriverMode)
def test_gone_behind_its_back(api: Api, start: StartManager, mode: DriverMode) -> None:
    """What rows have and driver or plugin have no more is seen, each by its ID."""
    site = Site(api, start, mode)
    world, share = site.driver.world, site.share.instance
    (snapshot,) = world.snapshots
    world.snapshots.clear()
    del world.shares[share.id]
    wanted = {("share", share.id), ("snapshot", snapshot)}
    if mode.has_share_servers:
        world.servers.clear()
        site.plugin.cloud.ports.clear()
        (row,) = api.rows("allocations")
        wanted.add(("share_server", str(share.share_server_id)))
        wanted.add(("address", f"{share.share_server_id}/{row['subnet_key']}/0"))
    missing = str(Direction.MISSING_IN_WORLD)
    assert site.seen() == {(*item, missing) for item in wanted}


def test_a_part_that_is_missing(api: Api, start: StartManager) -> None:
    """The driver's own notes are compared with the world too."""
    site = Site(api, start, DriverMode.FLAT)
    share = site.share.instance
    site.driver.world.servers.clear()
    assert ("parent", f"{share.share_server_id} of {share.id}", "missing_in_world") in site.seen()


def test_what_is_worked_on_is_no_finding(api: Api, start: StartManager) -> None:
    """A task on a server keeps what is on it out of the comparison, in both directions."""
    site = Site(api, start, DriverMode.FLAT)
    assert site.manager.stop()
    api.change(site.share.id)
    site.driver.world.shares.clear()
    site.driver.world.snapshots.clear()
    site.driver.world.servers.clear()
    site.plugin.cloud.ports.clear()
    assert site.seen() == set()


def test_one_look_is_a_suspicion_two_are_a_finding(api: Api, start: StartManager) -> None:
    """It is confirmed by the second look, and forgotten by the first that does not see it."""
    site = Site(api, start, DriverMode.SINGLE)
    site.driver.world.shares["s"] = FakeShare(server=None, size_gib=1, export_id=9)
    key = ("share", "missing_in_ledger")
    for _ in range(2):
        look(api)
        assert key in found(api, FindingState.SUSPECTED)
        assert found(api) == {}
    with api.db.write() as tx:
        tx.execute(update(t.findings).values(first_seen=now() - timedelta(hours=1)))
    look(api)
    item = found(api)[key]
    assert (item.resource_id, item.backend) == ("s", "b1")
    assert item.confirmed_at is not None
    assert item.confirmed_at - item.first_seen >= timedelta(hours=1)
    look(api)
    assert found(api)[key].id == item.id
    assert "s" in site.driver.world.shares
    del site.driver.world.shares["s"]
    look(api)
    assert not api.rows("findings")


def test_no_false_finding_while_work_goes_on(api: Api, start: StartManager) -> None:
    """Shares and snapshots come and go while it audits all the time: nothing is ever found."""
    driver = FakeDriver(DriverMode.FLAT)
    for verb in ("ensure_share", "remove_share", "ensure_server", "remove_server"):
        driver.delays[verb] = 0.05
    here = backend("b1", DriverMode.FLAT, driver=driver)
    options = replace(BUSY, audit_seconds=0.02, confirm_seconds=0.02, orphan_seconds=0)
    start(here, options=options)
    type_id = api.share_type(DriverMode.FLAT)
    kept = []
    for _ in range(4):
        networks = [api.share_network() for _ in range(2)]
        ids = [api.share(type_id, network_id=item) for item in networks]
        shares = [api.until_status(item, ShareStatus.AVAILABLE) for item in ids]
        api.snapshot(shares[0].id)
        api.delete(shares[1].id)
        kept.append(shares[0].instance.id)
    api.until(lambda: len(driver.world.shares) == len(kept))
    until_audited(api)
    assert set(driver.world.shares) == set(kept)
    assert found(api) == found(api, FindingState.REPAIRED) == {}


def test_what_comes_and_goes_during_a_look(api: Api, start: StartManager) -> None:
    """A share that is made, and one that is deleted, while the driver lists what it has."""
    driver = Slow(DriverMode.SINGLE)
    site = Site(api, start, DriverMode.SINGLE, driver)
    other = site.made(api.share(api.share_type(DriverMode.SINGLE)))
    api.until_idle()
    seen: list[set[tuple[str, str, str]]] = []
    looking = threading.Thread(target=lambda: seen.append(site.seen()))
    begun = len(driver.reads)
    looking.start()
    api.until(lambda: len(driver.reads) > begun)
    made = site.made(api.share(api.share_type(DriverMode.SINGLE)))
    api.delete(other.id)
    api.until(lambda: api.read(other.id) is None)
    api.until_idle()
    driver.may.set()
    looking.join(60)
    assert seen == [set()]
    assert set(driver.world.shares) == {site.share.instance.id, made.instance.id}


def test_the_old_is_repaired_and_the_young_named(api: Api, start: StartManager) -> None:
    """A server, a part and a port of nobody go once they are old; what was repaired is shown."""
    site = Site(api, start, DriverMode.FLAT)
    start(site.backend, options=replace(BUSY, orphan_seconds=3600))
    world = site.driver.world
    world.servers["v"] = FakeServer(addresses=[])
    world.strays.append("p")
    site.plugin.allocate(SubnetRef(key="net-b1"), [STRAY], host="node1")
    keys = {(kind, "missing_in_ledger") for kind in ("share_server", "part", "network")}
    api.until(lambda: found(api).keys() == keys)
    until_audited(api)
    assert "v" in world.servers
    long_ago = now() - timedelta(hours=2)
    with api.db.write() as tx:
        tx.execute(update(t.findings).values(first_seen=long_ago))
    site.plugin.cloud.port(STRAY).made_at = long_ago  # type: ignore[union-attr]
    api.until(lambda: found(api, FindingState.REPAIRED).keys() == keys)
    assert set(world.servers) == {site.share.instance.share_server_id}
    assert world.strays == []
    assert site.plugin.cloud.port(STRAY) is None
    until_audited(api)
    assert found(api) == {}
    assert found(api, FindingState.REPAIRED).keys() == keys
    world.strays.append("p")
    api.until(lambda: ("part", "missing_in_ledger") in found(api))


def test_what_may_hold_data_is_only_named(api: Api, start: StartManager) -> None:
    """Shares of nobody stay, and with them every server of nobody, and what those have."""
    site = Site(api, start, DriverMode.FLAT)
    port = replace(STRAY, owner="v")
    site.plugin.allocate(SubnetRef(key="net-b1"), [port], host="node1")
    start(site.backend, options=replace(BUSY, orphan_seconds=0))
    world = site.driver.world
    world.servers["v"] = FakeServer(addresses=[])
    world.shares["s"] = FakeShare(server="v", size_gib=1, export_id=9, content="data")
    api.until(lambda: len(found(api)) == 3)
    until_audited(api)
    assert world.shares["s"].content == "data"
    assert "v" in world.servers
    assert site.plugin.cloud.port(port) is not None
    assert found(api, FindingState.REPAIRED) == {}


def test_lost_data_is_not_made_up(api: Api, start: StartManager) -> None:
    """A share that is gone is named, and no empty one takes its place."""
    site = Site(api, start, DriverMode.SINGLE)
    start(site.backend, options=replace(BUSY, orphan_seconds=0))
    del site.driver.world.shares[site.share.instance.id]
    api.until(lambda: ("share", "missing_in_world") in found(api))
    until_audited(api)
    assert site.driver.world.shares == {}


def test_who_cannot_be_asked_is_a_finding(api: Api, start: StartManager) -> None:
    """A driver or plugin that is down is told so, and what was known of it is not forgotten."""
    site = Site(api, start, DriverMode.FLAT)
    start(site.backend, options=BUSY)
    site.driver.world.shares["s"] = FakeShare(server=None, size_gib=1, export_id=9)
    api.until(lambda: ("share", "missing_in_ledger") in found(api))
    site.driver.fail("inventory", *(BackendUnavailable("off") for _ in range(1000)))
    wanted = {
        ("backend", "not_asked"),
        ("network", "not_asked"),
        ("share", "missing_in_ledger"),
    }
    with site.plugin.cloud.failing(NetworkUnavailable("off")):
        api.until(lambda: found(api).keys() == wanted)
    assert found(api)["backend", "not_asked"].detail == "off"
    assert found(api)["network", "not_asked"].resource_id == "[net-b1]"


def test_a_driver_that_breaks_its_contract_is_a_finding(api: Api, start: StartManager) -> None:
    """Whatever it raises ends in the table, and not in a crash."""
    site = Site(api, start, DriverMode.SINGLE)
    site.driver.fail("inventory", ZeroDivisionError("by zero"))
    (item,) = compare(api.db, site.backend).discrepancies
    assert (item.direction, item.detail) == (Direction.NOT_ASKED, "ZeroDivisionError: by zero")


def test_several_managers_audit_once(api: Api, start: StartManager) -> None:
    """Two managers of one backend, and two backends on one network: each thing is one row."""
    one = backend("b1", DriverMode.FLAT)
    two = replace(one, name="b2", host="node1@b2", driver=FakeDriver(DriverMode.FLAT))
    for _ in range(2):
        start(one, two, options=BUSY)
    plugin = one.plugin
    assert isinstance(plugin, FakePlugin)
    plugin.allocate(SubnetRef(key="net-b1"), [STRAY], host="node1")
    api.until(lambda: ("network", "missing_in_ledger") in found(api))
    until_audited(api, 4)
    assert len(api.rows("findings")) == 1
    assert len(api.rows("audits")) == 2


@pytest.mark.every_database
def test_off_means_only_when_asked(api: Api, start: StartManager) -> None:
    """With audit_seconds = 0 nobody looks; a repair that is asked for is done, to its end."""
    site = Site(api, start, DriverMode.SINGLE)
    start(site.backend, options=replace(CALM, confirm_seconds=0.1, first_audit_seconds=0))
    site.driver.world.strays.append("p")
    site.driver.calls.clear()
    api.until(lambda: site.driver.calls.count("pools") > 2)
    assert "inventory" not in site.driver.calls
    with api.db.write() as tx:
        audits.want(tx, HOST, Wanted.REPAIR)
        audits.want(tx, HOST, Wanted.AUDIT)
        assert [item.wanted for item in audits.every(tx)] == ["repair"]
        enqueue_audit(tx, HOST)
    api.until(lambda: site.driver.world.strays == [])
    api.until(lambda: [row["wanted"] for row in api.rows("audits")] == [None])
    assert ("part", "missing_in_ledger") in found(api, FindingState.REPAIRED)


@pytest.mark.every_database
def test_counts_are_of_what_was_found(api: Api) -> None:
    """By backend, kind and direction; what is suspected or repaired does not count."""
    seen = [
        Discrepancy(kind="share", resource_id=str(number), direction=Direction.MISSING_IN_WORLD)
        for number in range(3)
    ]
    look = {"knows": lambda _: True, "confirm_after": timedelta(hours=1)}
    with api.db.write() as tx:
        for _ in range(2):
            findings.replace(tx, HOST, seen[:2], **look)  # type: ignore[arg-type]
        assert findings.count_by_kind(tx) == []
        assert findings.first_suspected(tx, HOST) is not None
        tx.execute(update(t.findings).values(first_seen=now() - timedelta(hours=2)))
        findings.replace(tx, HOST, seen, **look)  # type: ignore[arg-type]
        (count,) = findings.count_by_kind(tx)
        assert (count.host, count.kind, count.number) == (HOST, "share", 2)
        assert count.direction is Direction.MISSING_IN_WORLD
        findings.repaired(tx, HOST, seen[:2])
        assert findings.count_by_kind(tx) == []


def test_the_table_is_bounded(api: Api) -> None:
    """Of very many differences a fixed number is kept, and a long name is cut, not lost."""
    seen = [
        Discrepancy(kind="share", resource_id=f"{number:05}", direction=Direction.MISSING_IN_LEDGER)
        for number in range(findings.MOST + 50)
    ]
    long = Discrepancy(kind="network", resource_id="x" * 300, direction=Direction.MISSING_IN_LEDGER)
    with api.db.write() as tx:
        for _ in range(2):
            findings.replace(
                tx, HOST, [*seen, long], knows=lambda _: True, confirm_after=timedelta(0)
            )
        every = findings.of_host(tx, HOST)
        assert len(every) == findings.MOST
        assert every[0].detail == "x" * 300
        findings.replace(tx, HOST, [], knows=lambda _: True, confirm_after=timedelta(0))
        assert findings.of_host(tx, HOST) == []


def test_what_nobody_looks_at_any_more_is_forgotten(api: Api) -> None:
    """Findings of a backend that is no more go after a month, and no others."""
    seen = [
        Discrepancy(kind="share", resource_id=name, direction=Direction.MISSING_IN_WORLD)
        for name in ("old", "new")
    ]
    with api.db.write() as tx:
        findings.replace(tx, HOST, seen, knows=lambda _: True, confirm_after=timedelta(0))
        old = t.findings.c.resource_id == "old"
        tx.execute(update(t.findings).where(old).values(last_seen=now() - timedelta(days=31)))
        assert findings.purge(tx) == 1
        assert [item.resource_id for item in findings.of_host(tx, HOST)] == ["new"]
