"""How full pools are: a pure count, the same from the database, and warnings told once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from abaca.db import address_usage
from abaca.db.address_usage import Taken, crossings, measure, usage
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ANSWERED, IMPORTED, ForeignAddresses
from abaca.network.plugin import AddressPool, Claim, IPAddress, Label

BASE = int(IPv4Address("10.0.0.0"))
AT = datetime(2030, 1, 1, tzinfo=UTC)
PLACES = st.integers(0, 15)
RANGES = st.lists(
    st.tuples(PLACES, PLACES).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=3
)
STATES = st.sampled_from([Label.USER, Label.ADMIN, ANSWERED, IMPORTED, None])


def pair(first: int, last: int) -> tuple[IPAddress, IPAddress]:
    """A range of small numbers."""
    return IPv4Address(BASE + first), IPv4Address(BASE + last)


def pool(
    *ranges: tuple[int, int], reserved: Sequence[int] = (), warn: int = 90, rest: int = 60
) -> AddressPool:
    """A pool of small numbers."""
    return AddressPool(
        name="pool",
        network="flat1",
        cidr=None,
        ranges=tuple(pair(*item) for item in ranges),
        reserved=frozenset(IPv4Address(BASE + item) for item in reserved),
        rest_seconds=rest,
        warn_percent=warn,
    )


def claim(owner: str, label: Label = Label.USER) -> Claim:
    """A claim of a share server."""
    return Claim(owner=owner, label=label, subnet="flat1", index=0)


def taken(places: dict[int, Label | str | None]) -> list[Taken]:
    """Held by somebody of that label, or kept out for that reason."""
    return [
        Taken(address=BASE + place, label=state)
        if isinstance(state, Label)
        else Taken(address=BASE + place, reason=state)
        for place, state in places.items()
    ]


@given(
    ranges=RANGES,
    reserved=st.sets(PLACES, max_size=4),
    places=st.dictionaries(PLACES, STATES),
    freed=st.dictionaries(PLACES, st.integers(0, 120)),
)
def test_the_count_is_that_of_a_list(
    ranges: list[tuple[int, int]],
    reserved: set[int],
    places: dict[int, Label | str | None],
    freed: dict[int, int],
) -> None:
    """Whatever the ranges and what is taken, it is what counting one by one gives."""
    released = {BASE + item: AT - timedelta(seconds=age) for item, age in freed.items()}
    found = measure(pool(*ranges, reserved=sorted(reserved)), taken(places), released, AT)
    inside = {n for first, last in ranges for n in range(first, last + 1)}
    given_out = inside - reserved
    held = [n for n, state in places.items() if isinstance(state, Label)]
    assert found.size == len(given_out)
    assert found.reserved == len(inside & reserved)
    assert found.free == len(given_out - places.keys())
    assert found.used == found.user + found.admin == len(held)
    assert found.outside == sum(n not in given_out for n in held)
    assert (found.answered, found.imported, found.forgotten) == tuple(
        list(places.values()).count(reason) for reason in (ANSWERED, IMPORTED, None)
    )
    assert found.resting == sum(
        age < 60 for n, age in freed.items() if n in given_out - places.keys()
    )
    assert 0 <= found.percent <= 100
    assert found.resting <= found.free <= found.size


def test_ipv6_is_counted_without_walking() -> None:
    """A /64 has its size at once."""
    big = AddressPool(
        name="six",
        network="six",
        cidr=None,
        ranges=((IPv6Address("fd00::"), IPv6Address("fd00::ffff:ffff:ffff:ffff")),),
        reserved=frozenset({IPv6Address("fd00::"), IPv6Address("fd00::1")}),
    )
    found = measure(big, [Taken(address=int(IPv6Address("fd00::2")), label=Label.USER)], {}, AT)
    assert (found.size, found.free, found.percent) == ((1 << 64) - 2, (1 << 64) - 3, 0.0)


@pytest.mark.parametrize(("percent", "full"), [(90, True), (91, False), (0, False)])
def test_nearly_full(percent: int, full: bool) -> None:
    """From the percentage on; never with 0."""
    places: dict[int, Label | str | None] = dict.fromkeys(range(9), Label.USER)
    assert measure(pool((0, 9), warn=percent), taken(places), {}, AT).nearly_full is full


@pytest.mark.every_database
def test_usage_from_the_database(database: Database) -> None:
    """Used by label, resting, forgotten, imported, answered and outside, with ranges of now."""
    ledger = DatabaseLedger(database)

    def take(owner: str, label: Label = Label.USER, *, tentative: bool = False) -> IPAddress:
        mine = claim(owner, label)
        return ledger.take("pool", [pair(1, 10)], (), [mine], rest_seconds=60, tentative=tentative)[
            mine
        ]

    for owner in "abcd":
        take(owner)
    take("admin", Label.ADMIN)
    other = take("somebody", tentative=True)
    ledger.put_aside("pool", {other: "02:00:00:00:00:01"})
    ledger.give_back([claim("a")])
    ledger.forget([claim("b")])
    ForeignAddresses(database).keep_out({"pool": {IPv4Address(BASE + 9): "printer"}})
    (found,) = usage(database, [])
    assert (found.network, found.pool, found.size) == ("pool", "pool", 10)
    now_known = pool((2, 4), (7, 20))
    (found,) = usage(database, [now_known])
    assert (found.used, found.user, found.admin, found.outside) == (3, 2, 1, 1)
    assert (found.answered, found.imported, found.forgotten) == (1, 1, 1)
    assert (found.size, found.free, found.resting) == (17, 13, 0)
    (found,) = usage(database, [pool((1, 10))])
    assert (found.free, found.resting) == (4, 1)


@pytest.mark.every_database
def test_addresses_are_counted_by_the_database(database: Database) -> None:
    """They are read one by one only where the count leaves open which are inside the ranges."""
    ledger, known = DatabaseLedger(database), pool((1, 40), reserved=[3], rest=60)
    many = [claim(str(number)) for number in range(20)]
    ledger.take("pool", known.ranges, known.reserved, many, rest_seconds=60)
    ledger.give_back(many[:5])
    ledger.forget(many[5:7])
    walked = []

    def note(_c: object, _cur: object, statement: str, *_rest: object) -> None:
        if "GROUP BY" not in statement and "FROM addresses" in statement:
            walked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    (found,) = usage(database, [known], others=False)
    assert walked == []
    assert (found.size, found.free, found.resting) == (39, 24, 5)
    assert (found.used, found.forgotten, found.outside, found.reserved) == (13, 2, 0, 1)
    ledger.take_these("pool", {IPv4Address(BASE + 99): claim("elsewhere")})
    walked.clear()
    (found,) = usage(database, [known], others=False)
    assert len(walked) == 1
    assert (found.used, found.free, found.outside) == (14, 24, 1)


def test_a_pool_that_was_never_used_is_shown(database: Database) -> None:
    """As it is configured, with everything free."""
    (found,) = usage(database, [pool((1, 10), reserved=[3])])
    assert (found.size, found.free, found.used, found.reserved) == (9, 9, 0, 1)


@pytest.mark.every_database
def test_pools_that_cross_nothing_cost_one_statement(database: Database) -> None:
    """However many there are."""
    names = [f"pool{number}" for number in range(9)]
    known = [replace(pool((1, 4), warn=75), name=name) for name in names]
    for item in known:
        DatabaseLedger(database).take(item.name, item.ranges, (), [claim("a")], rest_seconds=60)
    found = usage(database, known)
    sent = []

    def note(_c: object, _cur: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    assert crossings(database, found) == []
    assert len([text for text in sent if "address_pools" in text]) == 1


@pytest.mark.every_database
def test_a_crossing_is_told_once(database: Database) -> None:
    """Of many who look at once one is told; again after it was below the mark in between."""
    ledger = DatabaseLedger(database)
    known = [pool((1, 4), warn=75)]

    def take(owner: str) -> None:
        ledger.take("pool", [pair(1, 4)], (), [claim(owner)], rest_seconds=60)

    def look(_: int = 0) -> int:
        return len(crossings(database, usage(database, known)))

    for owner in "ab":
        take(owner)
    assert look() == 0
    take("c")
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(look, range(8))) == 1
    take("d")
    assert look() == 0
    ledger.give_back([claim("a"), claim("b")])
    assert look() == 0
    take("e")
    assert [look(), look()] == [1, 0]
    assert address_usage.usage(database, known)[0].nearly_full
