"""Lists of others' addresses and share servers at the same time, on every database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest
from sqlalchemy import update

from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ANSWERED, IMPORTED, ForeignAddresses
from abaca.db.tables import addresses
from abaca.errors import AddressesExhausted
from abaca.network.plugin import Claim, IPAddress, Label

BASE = int(IPv4Address("10.0.0.0"))
RANGES = [(IPv4Address(BASE + 1), IPv4Address(BASE + 200))]


def claim(number: int) -> Claim:
    """A claim of a share server."""
    return Claim(owner=f"server{number}", label=Label.USER, subnet="flat1", index=0)


@pytest.mark.every_database
def test_nobody_has_what_a_list_keeps_out(database: Database) -> None:
    """Lists imported while addresses are taken, probed and given back: each is one thing only."""
    ledger, foreign = DatabaseLedger(database), ForeignAddresses(database)
    start = threading.Barrier(6)

    def serve(number: int) -> None:
        start.wait(30)
        for turn in range(6):
            mine = claim(10 * number + turn)
            found = ledger.take("pool", RANGES, (), [mine], rest_seconds=0, tentative=True)[mine]
            if turn % 3 == 0:
                ledger.put_aside("pool", {found: "somebody"})
            else:
                ledger.confirm("pool", [mine])
            if turn % 3 == 1:
                ledger.give_back([mine])

    def listing(number: int) -> dict[IPAddress, str]:
        start.wait(30)
        refused: dict[IPAddress, str] = {}
        for turn in range(4):
            first = 1 + 5 * (number + turn)
            wanted: dict[IPAddress, str] = {
                IPv4Address(BASE + first + item): f"list{number}" for item in range(4)
            }
            refused |= foreign.keep_out({"pool": wanted})
        return refused

    with ThreadPoolExecutor(6) as threads:
        serving = [threads.submit(serve, number) for number in range(4)]
        lists = [threads.submit(listing, number) for number in range(2)]
        for item in serving:
            item.result(60)
        for refused in (item.result(60) for item in lists):
            assert all(owner.startswith("server") for owner in refused.values())
    held = set(ledger.held([claim(number) for number in range(40)]).values())
    kept = {item.address for item in foreign.listed(["pool"])}
    assert len(held) == 8
    assert not held & kept
    assert ledger.tentative("pool", [claim(number) for number in range(40)]) == {}
    everything = [claim(1000 + number) for number in range(200 - len(held) - len(kept))]
    rest = set(ledger.take("pool", RANGES, (), everything, rest_seconds=0).values())
    assert len(rest) == len(everything)
    assert not rest & (held | kept)


@pytest.mark.every_database
def test_readmitted_and_let_in(database: Database) -> None:
    """What was put aside comes back by either; what was imported only by its administrator."""
    ledger, foreign = DatabaseLedger(database), ForeignAddresses(database)
    found = ledger.take("pool", RANGES, (), [claim(1)], rest_seconds=0, tentative=True)[claim(1)]
    other = IPv4Address(BASE + 50)
    ledger.put_aside("pool", {found: "x" * 300})
    foreign.keep_out({"pool": {other: "printer"}, "empty": {}})
    assert [item.who for item in foreign.listed()] == ["x" * 255, "printer"]
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert ledger.aside("pool", later) == {found}
    ledger.readmit("pool", [found, other])
    assert [item.address for item in foreign.listed()] == [other]
    assert foreign.let_in(["pool", "unknown"], [found, other]) == 1
    assert foreign.listed() == []


@pytest.mark.every_database
def test_an_unmanaged_server_keeps_its_address(database: Database) -> None:
    """A list that names it, and is taken back, does not have it given to another server."""
    ledger, foreign = DatabaseLedger(database), ForeignAddresses(database)
    few = [(IPv4Address(BASE + 1), IPv4Address(BASE + 3))]
    alive = ledger.take("pool", few, (), [claim(1)], rest_seconds=0)[claim(1)]
    ledger.forget([claim(1)])
    every: dict[IPAddress, str] = {IPv4Address(BASE + n): "lab" for n in (1, 2, 3)}
    assert foreign.keep_out({"pool": every}) == {}
    assert {item.address for item in foreign.listed()} == every.keys() - {alive}
    assert foreign.let_in(["pool"], every) == 2
    assert ledger.forgotten("pool") == {alive}
    given = ledger.take("pool", few, (), [claim(2), claim(3)], rest_seconds=0)
    assert alive not in given.values()
    with pytest.raises(AddressesExhausted):
        ledger.take("pool", few, (), [claim(4)], rest_seconds=0)


@pytest.mark.every_database
def test_an_imported_address_is_adopted(database: Database) -> None:
    """It is that server's then, on no list, and can't be let in from under it."""
    ledger, foreign = DatabaseLedger(database), ForeignAddresses(database)
    address = IPv4Address(BASE + 7)
    ledger.take("pool", RANGES, (), [claim(1)], rest_seconds=0)
    foreign.keep_out({"pool": {address: "the storage that was here before"}})
    ledger.take_these("pool", {address: claim(2)})
    assert foreign.listed() == []
    assert foreign.let_in(["pool"], [address]) == 0
    assert ledger.held([claim(2)]) == {(claim(2), "pool"): address}


@pytest.mark.every_database
def test_an_owner_counts_more_than_a_reason(database: Database) -> None:
    """Code that knows no reasons leaves them when it adopts: the address is its server's still."""
    ledger, foreign = DatabaseLedger(database), ForeignAddresses(database)
    mine = ledger.take("pool", RANGES, (), [claim(1)], rest_seconds=0)[claim(1)]
    for reason in (ANSWERED, IMPORTED):
        with database.write() as tx:
            tx.execute(update(addresses).values(reason=reason))
        assert foreign.listed() == []
        assert ledger.aside("pool", datetime(2100, 1, 1, tzinfo=UTC)) == set()
        ledger.put_aside("pool", {mine: "somebody"})
        ledger.readmit("pool", [mine])
        assert foreign.let_in(["pool"], [mine]) == 0
        assert ledger.held([claim(1)]) == {(claim(1), "pool"): mine}
