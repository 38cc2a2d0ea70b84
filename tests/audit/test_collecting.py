"""What is nobody's of a network is removed only while no share server of nobody may use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from abaca.db import audits, findings, pools, services
from abaca.db import tables as t
from abaca.db.database import Tx
from abaca.db.tables import now
from abaca.drivers.fake import FakeDriver, FakeServer
from abaca.errors import BackendUnavailable
from abaca.manager.backend import Backend
from abaca.manager.reports import Reporter
from abaca.model.finding import NOBODY_KNOWS, STRANGE_SERVER, Direction, Discrepancy, Wanted
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.work.audits import enqueue_audit
from audit.conftest import BUSY, CALM, until_audited
from audit.conftest import HOST as HERE
from support.control_plane import Api, StartManager, backend

STRAY = Claim(owner="gone", label=Label.USER, subnet="net-b1", index=0)
ELSEWHERE = "node2@b9"
SOON = replace(BUSY, orphan_seconds=0)


def plugin_of(here: Backend) -> FakePlugin:
    """Its network, with a port of nobody."""
    assert isinstance(here.plugin, FakePlugin)
    here.plugin.allocate(SubnetRef(key="net-b1"), [STRAY], host="node1")
    return here.plugin


def look(tx: Tx, host: str, *found: tuple[str, Direction]) -> None:
    """Somebody has just audited the backend, and found these."""
    seen = [Discrepancy(kind=kind, resource_id="x", direction=way) for kind, way in found]
    findings.replace(tx, host, seen, knows=lambda _: True, confirm_after=timedelta(0))
    audits.finished(tx, host, now(), settled=True)


def state_of_the_port(api: Api) -> str:
    """What the list says of it."""
    with api.db.read() as tx:
        every = findings.of_host(tx, HERE)
    return next((str(item.state) for item in every if item.kind == "network"), "")


@pytest.mark.parametrize("found", [(), (STRANGE_SERVER,), (NOBODY_KNOWS,)])
def test_other_hosts_are_looked_at_first(
    api: Api, start: StartManager, found: tuple[tuple[str, Direction], ...]
) -> None:
    """A port stays until the backends of all hosts were audited since, and know their servers."""
    here = backend("b1", DriverMode.FLAT)
    plugin = plugin_of(here)
    with api.db.write() as tx:
        services.seen(tx, ELSEWHERE, "nova")
        look(tx, ELSEWHERE)
    start(here, options=SOON)
    api.until(lambda: state_of_the_port(api) == "found")
    until_audited(api, 3)
    assert plugin.cloud.port(STRAY) is not None
    if found:
        with api.db.write() as tx:
            look(tx, ELSEWHERE, *found)
        until_audited(api, 3)
        assert plugin.cloud.port(STRAY) is not None
    with api.db.write() as tx:
        look(tx, ELSEWHERE)
    api.until(lambda: plugin.cloud.port(STRAY) is None)
    api.until(lambda: state_of_the_port(api) == "repaired")


def test_one_look_removes_nothing(api: Api, start: StartManager) -> None:
    """A port that was not seen before stays, however old it is."""
    here = backend("b1", DriverMode.FLAT)
    plugin = plugin_of(here)
    start(here, options=replace(SOON, confirm_seconds=3600, first_audit_seconds=0.1))
    api.until(lambda: state_of_the_port(api) == "suspected")
    api.until_idle()
    assert plugin.cloud.port(STRAY) is not None


def test_a_driver_that_does_not_answer_keeps_all_ports(api: Api, start: StartManager) -> None:
    """The other backend of the manager could not be asked since it started: so nobody knows."""
    here, there = backend("b1", DriverMode.FLAT), backend("b2", DriverMode.FLAT)
    assert isinstance(there.driver, FakeDriver)
    there.driver.world.servers["v"] = FakeServer(addresses=[])
    there.driver.fail("inventory", *(BackendUnavailable("off") for _ in range(1000)))
    plugin = plugin_of(here)
    start(here, there, options=SOON)
    api.until(lambda: state_of_the_port(api) == "found")
    until_audited(api, 3)
    assert plugin.cloud.port(STRAY) is not None


def test_a_repair_that_was_asked_for(api: Api, start: StartManager) -> None:
    """It removes the port once every backend was looked at since somebody asked."""
    backends = [backend(name, DriverMode.FLAT) for name in ("b1", "b2")]
    plugin = plugin_of(backends[0])
    start(*backends, options=replace(CALM, confirm_seconds=0.3))
    with api.db.write() as tx:
        for item in backends:
            audits.want(tx, item.host, Wanted.REPAIR)
            enqueue_audit(tx, item.host)
    api.until(lambda: plugin.cloud.port(STRAY) is None)


@pytest.mark.every_database
def test_who_is_unsure(api: Api) -> None:
    """Those with share servers, of late or still; not single_svm, nor whom the caller looked at."""
    single, flat = backend("s", DriverMode.SINGLE), backend("f", DriverMode.FLAT)
    Reporter(db=api.db, backends=[single, flat]).report()
    long_ago = now() - timedelta(days=31)

    def unsure(change: Callable[[Tx], object], *but: str) -> list[str]:
        with api.db.write() as tx:
            change(tx)
            return audits.unsure(tx, now() - timedelta(seconds=60), but=but)

    assert unsure(pools.every) == ["node1@f"]
    assert unsure(lambda tx: services.expected(tx, ELSEWHERE, "nova")) == ["node1@f", ELSEWHERE]
    assert unsure(lambda tx: look(tx, "node1@f")) == [ELSEWHERE]
    assert unsure(lambda tx: look(tx, "node1@f", STRANGE_SERVER)) == ["node1@f", ELSEWHERE]
    assert unsure(lambda _: None, "node1@f") == [ELSEWHERE]
    old = update(t.services).where(t.services.c.host == ELSEWHERE).values(seen_at=long_ago)
    assert unsure(lambda tx: tx.execute(old)) == ["node1@f"]


def test_what_was_repaired_is_bounded_too(api: Api) -> None:
    """Of very many that were repaired at once a fixed number is kept."""
    way = Direction.MISSING_IN_LEDGER
    done = [
        Discrepancy(kind="network", resource_id=str(number), direction=way)
        for number in range(2 * findings.MOST + 50)
    ]
    with api.db.write() as tx:
        findings.repaired(tx, HERE, done[-10:])
        for _ in range(2):
            findings.repaired(tx, HERE, done)
            assert len(findings.of_host(tx, HERE)) == 2 * findings.MOST


def test_very_many_findings_hide_no_strange_server(api: Api) -> None:
    """Where more is found than is kept, what keeps addresses from being given out stays."""
    image, way = "image", Direction.MISSING_IN_LEDGER
    seen = [
        Discrepancy(kind=image, resource_id=f"{number:05}", direction=way)
        for number in range(findings.MOST)
    ]
    server = Discrepancy(kind="share_server", resource_id="v", direction=way)
    with api.db.write() as tx:
        services.seen(tx, HERE, "nova")
        findings.replace(
            tx, HERE, [*seen, server], knows=lambda _: True, confirm_after=timedelta(0)
        )
        audits.finished(tx, HERE, now(), settled=True)
        assert len(findings.of_host(tx, HERE)) == findings.MOST
        assert audits.unsure(tx, now() - timedelta(seconds=60)) == [HERE]
