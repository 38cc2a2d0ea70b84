"""The audit with the standalone plugin: addresses of nobody, and addresses that are lost."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy import delete

from abaca.config import load
from abaca.db import findings
from abaca.db import tables as t
from abaca.db.addresses import DatabaseLedger
from abaca.manager.comparison import compare_all
from abaca.model.finding import Direction
from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label
from abaca.service.managers import make_backends
from abaca.states import ShareStatus
from audit.conftest import BUSY
from support.configuration import FLAT, NET, configuration
from support.control_plane import Api, StartManager


@pytest.mark.every_database
def test_addresses_both_ways(api: Api, start: StartManager, tmp_path: Path) -> None:
    """One of nobody is told once for both backends and given back; one that went is named."""
    file = configuration(tmp_path, {"one": FLAT, "two": FLAT}, net=NET)
    (tmp_path / "state").mkdir()
    backends = make_backends(load((file,), ()), api.db)
    manager = start(*backends, options=replace(BUSY, audit_seconds=0))
    network = api.share_network()
    share = api.until_status(
        api.share(api.share_type(DriverMode.FLAT), network_id=network), ShareStatus.AVAILABLE
    )
    api.until_idle()
    assert manager.stop()
    assert not any(item.discrepancies for item in compare_all(api.db, backends).values())

    stray = Claim(owner="gone", label=Label.USER, subnet="net", index=0)
    ledger, pair = DatabaseLedger(api.db), (ip_address("10.10.0.50"), ip_address("10.10.0.60"))
    ledger.take("flat:net/4", [pair], [], [stray], rest_seconds=0)
    server = share.instance.share_server_id
    with api.db.write() as tx:
        tx.execute(delete(t.addresses).where(t.addresses.c.owner == server))
    seen = {
        (host.partition("@")[2], *item.key)
        for host, found in compare_all(api.db, backends).items()
        for item in found.discrepancies
    }
    assert server is not None
    here = str(share.instance.host).partition("@")[2]
    lost = (here, "address", f"{server}/net/0", str(Direction.MISSING_IN_WORLD))
    told = "address 0 of share server gone"
    assert seen == {lost, ("one", "network", told, str(Direction.MISSING_IN_LEDGER))}

    start(*backends, options=replace(BUSY, orphan_seconds=0))
    api.until(lambda: not ledger.held([stray]))

    def named() -> list[str]:
        with api.db.read() as tx:
            return [item.kind for item in findings.count_by_kind(tx)]

    api.until(lambda: named() == ["address"])
