"""The address ledger in the database: against a model, against many at once, and against size."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, event, func, insert, select

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ForeignAddresses
from abaca.errors import AddressesExhausted, AllocationConflict
from abaca.network import ipam
from abaca.network.plugin import Claim, IPAddress, Label
from abaca.testing.ledger_world import without_sync
from support.databases import Databases

BASE = int(IPv4Address("10.0.0.0"))
PLACES = st.integers(1, 14)
RANGES = st.lists(
    st.tuples(PLACES, PLACES).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=3
)
OWNERS = [f"server{number}" for number in range(12)]


class Clock:
    """Time that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self._at = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time now."""
        self._at += timedelta(seconds=1)
        return self._at


def _claim(owner: str, index: int = 0, label: Label = Label.USER) -> Claim:
    return Claim(owner=owner, label=label, subnet="flat1", index=index)


def _pair(first: int, last: int) -> tuple[IPAddress, IPAddress]:
    return IPv4Address(BASE + first), IPv4Address(BASE + last)


class LedgerModel(RuleBasedStateMachine):
    """Whatever is done in whatever order, the ledger does what a small list would."""

    def __init__(self, databases: Databases) -> None:
        super().__init__()
        self._stack = ExitStack()
        url = self._stack.enter_context(databases.one())
        self.database = self._stack.enter_context(closing(Database(url)))
        if self.database.is_sqlite:
            without_sync(self.database)
        self.database.create_schema()
        clock = Clock()
        self.ledger = DatabaseLedger(self.database, clock)
        self.foreign = ForeignAddresses(self.database, clock)
        self.held: dict[Claim, IPAddress] = {}
        self.forgotten: set[IPAddress] = set()
        self.imported: set[IPAddress] = set()
        self.aside: set[IPAddress] = set()
        self.freed: list[IPAddress] = []
        self.used: set[IPAddress] = set()
        self.ranges: list[tuple[int, int]] = [(1, 14)]
        self.reserved: set[int] = {1}
        self.known: set[IPAddress] | None = None
        """What the ledger may hand out, as it was told at the last taking that went well."""

    @initialize(ranges=RANGES, reserved=st.sets(PLACES, max_size=3))
    def start(self, ranges: list[tuple[int, int]], reserved: set[int]) -> None:
        """Some ranges to begin with."""
        self.ranges, self.reserved = ranges, reserved

    def _allowed(self) -> set[IPAddress]:
        places = {n for first, last in self.ranges for n in range(first, last + 1)}
        return {IPv4Address(BASE + number) for number in places - self.reserved}

    def _free(self) -> set[IPAddress]:
        kept = self.forgotten | self.imported | self.aside
        return self._allowed() - set(self.held.values()) - kept

    def _take(self, claims: list[Claim], *, tentative: bool = False) -> dict[Claim, IPAddress]:
        return self.ledger.take(
            "pool",
            [_pair(*item) for item in self.ranges],
            {IPv4Address(BASE + number) for number in self.reserved},
            claims,
            rest_seconds=60,
            tentative=tentative,
        )

    def _told(self) -> None:
        """The ledger learns the ranges with a taking; places that left them lose their turn."""
        self.known = self._allowed()
        self.freed = [item for item in self.freed if item in self.known]

    @rule(owner=st.sampled_from(OWNERS), count=st.integers(1, 3))
    def take(self, owner: str, count: int) -> None:
        """Everybody gets free addresses, or the ones they have, or all are told that it is full."""
        claims = [_claim(owner, index) for index in range(count)]
        missing = [item for item in claims if item not in self.held]
        free = self._free()
        if len(missing) > len(free):
            with pytest.raises(AddressesExhausted):
                self._take(claims)
            return
        found = self._take(claims)
        if missing:
            self._told()
        for claim in claims:
            if claim in self.held:
                assert found[claim] == self.held[claim]
                continue
            assert found[claim] in free
            fresh = free - set(self.freed)
            expected = min(fresh) if fresh else next(a for a in self.freed if a in free)
            assert found[claim] == expected
            free.discard(expected)
            self.freed = [item for item in self.freed if item != expected]
            self.held[claim] = expected

    @rule(owner=st.sampled_from(OWNERS))
    def release(self, owner: str) -> None:
        """What a server had goes to the end of the queue, lowest first."""
        claims = [item for item in self.held if item.owner == owner]
        self.ledger.give_back([*claims, _claim("nobody")])
        back = sorted(self.held.pop(item) for item in claims)
        self.freed += [item for item in back if item in (self.known or ())]

    @rule(owner=st.sampled_from(OWNERS))
    def forget(self, owner: str) -> None:
        """Forgotten addresses are nobody's, and not free."""
        claims = [item for item in self.held if item.owner == owner]
        self.ledger.forget(claims)
        self.forgotten |= {self.held.pop(item) for item in claims}

    @rule(owner=st.sampled_from(OWNERS), place=PLACES)
    def adopt(self, owner: str, place: int) -> None:
        """An address that nobody holds can be taken by name, one of another can't."""
        address, claim = IPv4Address(BASE + place), _claim(owner)
        holder = next((item for item, at in self.held.items() if at == address), None)
        others = holder not in (None, claim)
        if others or self.held.get(claim, address) != address:
            with pytest.raises(AllocationConflict):
                self.ledger.take_these("pool", {address: claim})
            return
        self.ledger.take_these("pool", {address: claim})
        self.held[claim] = address
        self.forgotten.discard(address)
        self.aside.discard(address)
        self.imported.discard(address)
        self.freed = [item for item in self.freed if item != address]

    @rule(owner=st.sampled_from(OWNERS), bad=st.booleans())
    def probe(self, owner: str, bad: bool) -> None:
        """A tentative address is confirmed, or put aside; one that was not tentative stays."""
        claim = _claim(owner, 7)
        free = self._free()
        if claim in self.held:
            self.ledger.put_aside("pool", {self.held[claim]: "somebody"})
            return
        if not free:
            return
        found = self._take([claim], tentative=True)[claim]
        self._told()
        self.freed = [item for item in self.freed if item != found]
        assert self.ledger.tentative("pool", [claim]) == {claim: found}
        if bad:
            self.ledger.put_aside("pool", {found: "somebody"})
            self.aside.add(found)
        else:
            self.ledger.confirm("pool", [claim])
            self.held[claim] = found
        assert self.ledger.tentative("pool", [claim]) == {}

    @rule()
    def readmit(self) -> None:
        """Those put aside come back, and no others, at the end of the queue."""
        everything = {IPv4Address(BASE + number) for number in range(16)}
        assert self.ledger.aside("pool", datetime(2031, 1, 1, tzinfo=UTC)) == self.aside
        self.ledger.readmit("pool", everything)
        self.freed += [item for item in sorted(self.aside, key=int) if item in (self.known or ())]
        self.aside.clear()

    @rule(places=st.sets(PLACES, min_size=1, max_size=4))
    def import_list(self, places: set[int]) -> None:
        """If servers have none of it; else nothing is. Forgotten addresses stay what they are."""
        wanted = {IPv4Address(BASE + place): "others" for place in places}
        held = self.foreign.keep_out({"pool": wanted})
        assert set(held) == wanted.keys() & set(self.held.values())
        if held:
            return
        self.imported |= wanted.keys() - self.forgotten
        self.aside -= wanted.keys()
        self.freed = [item for item in self.freed if item not in wanted]

    @rule(places=st.sets(PLACES, max_size=6))
    def let_in(self, places: set[int]) -> None:
        """What was kept out of these is free again, at the end of the queue."""
        wanted = {IPv4Address(BASE + place) for place in places}
        back = wanted & (self.imported | self.aside)
        assert self.foreign.let_in(["pool"], wanted) == len(back)
        self.imported -= back
        self.aside -= back
        self.freed += [item for item in sorted(back, key=int) if item in (self.known or ())]

    @rule(ranges=RANGES, reserved=st.sets(PLACES, max_size=3))
    def configure(self, ranges: list[tuple[int, int]], reserved: set[int]) -> None:
        """New ranges leave all that is held; the queue of what left them is forgotten."""
        before = dict(self.held)
        self.ranges, self.reserved = ranges, reserved
        if not self._free():
            return
        probe = _claim("probe")
        found = self._take([probe])[probe]
        assert found in self._free()
        self._told()
        self.freed = [item for item in self.freed if item != found]
        self.ledger.give_back([probe])
        self.freed.append(found)
        assert self.ledger.held(list(before)) == {
            (claim, "pool"): address for claim, address in before.items()
        }

    @invariant()
    def nothing_is_twice(self) -> None:
        """What is taken, forgotten and free never overlap."""
        held = self.ledger.held(list(self.held))
        assert {claim: address for (claim, _), address in held.items()} == self.held
        with self.database.read() as tx:
            taken = [
                ip_address(t) for t in tx.execute(select(tables.addresses.c.address)).scalars()
            ]
            gaps = tx.execute(select(tables.address_gaps)).all()
        free = [n for row in gaps for n in range(int(row.first, 16), int(row.last, 16) + 1)]
        kept = [*self.forgotten, *self.imported, *self.aside]
        assert sorted(taken, key=int) == sorted([*self.held.values(), *kept], key=int)
        assert len(free) == len(set(free))
        assert not {int(item) for item in taken} & set(free)

    def teardown(self) -> None:
        """Leave no rows."""
        self._stack.close()


def test_the_ledger_does_what_the_model_does(databases: Databases) -> None:
    """Twenty-five sequences of what may be asked of it, of as many steps each."""
    run_state_machine_as_test(
        lambda: LedgerModel(databases),
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def _fill(database: Database, pool: str, first: int, count: int) -> None:
    """Addresses taken by as many servers, written directly."""
    rows = [
        {
            "pool": pool,
            "address": str(IPv4Address(first + number)),
            "owner": str(uuid.uuid4()),
            "label": "user",
            "subnet": "flat1",
            "index": 0,
            "taken_at": datetime.now(UTC),
        }
        for number in range(count)
    ]
    with database.write() as tx:
        tx.execute(insert(tables.addresses), rows)


def _rows_read(database: Database, work: Callable[[], object]) -> int:
    """SQLite's own count of the rows it visited cannot be had: statements sent, instead."""
    sent: list[str] = []

    def note(_c: object, _cur: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return len(sent)


def test_cost_does_not_grow_with_fill(database: Database) -> None:
    """A /16 at 99 %: an allocation sends as few statements as in an empty one, each by index."""
    ledger = DatabaseLedger(database)
    first = int(IPv4Address("10.1.0.0"))
    ranges = [(IPv4Address(first + 1), IPv4Address(first + 65534))]
    _fill(database, "full", first + 1, 64880)
    for pool in ("full", "empty"):
        ledger.take(pool, ranges, (), [_claim("warm-up")], rest_seconds=60)

    def one(pool: str) -> None:
        ledger.take(pool, ranges, (), [_claim(str(uuid.uuid4()))], rest_seconds=60)

    assert _rows_read(database, lambda: one("full")) == _rows_read(database, lambda: one("empty"))
    took: dict[str, list[float]] = {"full": [], "empty": []}
    for _ in range(50):
        for pool, times in took.items():
            start = time.monotonic()
            one(pool)
            times.append(time.monotonic() - start)
    # Generous: a walk over 65,000 addresses would take a hundred times as long. Of each the
    # quickest: whatever else the host does, it leaves some of them alone.
    assert min(took["full"]) < 5 * min(took["empty"]) + 0.1


@pytest.mark.sqlite
def test_each_lookup_goes_by_index(database: Database) -> None:
    """The plans of the statements on the hot path have no table scan and no sort."""
    ledger = DatabaseLedger(database)
    seen: list[tuple[str, object]] = []

    def note(_c: object, _cur: object, statement: str, parameters: object, *_rest: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "DELETE", "UPDATE")):
            seen.append((statement, parameters))

    ranges = [(IPv4Address(BASE + 1), IPv4Address(BASE + 14))]
    ledger.take("pool", ranges, (), [_claim("a")], rest_seconds=60)
    event.listen(database.engine, "before_cursor_execute", note)
    ledger.take("pool", ranges, (), [_claim("b")], rest_seconds=60)
    ledger.give_back([_claim("a")])
    event.remove(database.engine, "before_cursor_execute", note)
    assert len(seen) > 5
    with database.read() as tx:
        for statement, parameters in seen:
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            plan = " ".join(str(row[3]) for row in rows)
            assert "SCAN" not in plan, f"{statement}\n{plan}"
            assert "TEMP B-TREE" not in plan, f"{statement}\n{plan}"


def test_ipv6_64_needs_no_walk(database: Database) -> None:
    """A /64 gives its first addresses at once, and reuses what has rested: rows don't pile up."""
    ledger = DatabaseLedger(database)
    base = int(IPv6Address("fd00:1::"))
    ranges = [(IPv6Address(base), IPv6Address(base + (1 << 64) - 1))]
    reserved = [IPv6Address(base), IPv6Address(base + 1)]
    for number in range(20):
        claim = _claim(f"server{number}")
        found = ledger.take("six", ranges, reserved, [claim], rest_seconds=0)[claim]
        assert found == IPv6Address(base + 2)
        ledger.give_back([claim])
    with database.read() as tx:
        assert tx.scalar(select(func.count()).select_from(tables.address_gaps)) <= 2


@pytest.mark.every_database
def test_32_owners_on_31_addresses(database: Database) -> None:
    """In parallel, 31 get one each and exactly one is told that there is none."""
    ledger = DatabaseLedger(database)
    ranges = [(IPv4Address(BASE + 10), IPv4Address(BASE + 40))]

    def one(number: int) -> IPAddress | None:
        claim = _claim(f"server{number}")
        try:
            return ledger.take("pool", ranges, (), [claim], rest_seconds=60)[claim]
        except AddressesExhausted:
            return None

    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(one, range(32)))
    given = [item for item in found if item is not None]
    assert len(given) == len(set(given)) == 31
    assert found.count(None) == 1


@pytest.mark.every_database
def test_wrong_gaps_mend_themselves(database: Database) -> None:
    """If the gaps offer a taken address, the primary key refuses it and they are made anew."""
    ledger = DatabaseLedger(database)
    ranges = [(IPv4Address(BASE + 1), IPv4Address(BASE + 5))]
    first = ledger.take("pool", ranges, (), [_claim("a")], rest_seconds=60)[_claim("a")]
    with database.write() as tx:
        tx.execute(delete(tables.address_gaps))
        tx.execute(
            insert(tables.address_gaps).values(
                pool="pool",
                first=f"{int(first):08x}",
                last=f"{int(first):08x}",
                freed_at=datetime.fromtimestamp(0, UTC),
            )
        )
    second = ledger.take("pool", ranges, (), [_claim("b")], rest_seconds=60)[_claim("b")]
    assert second == IPv4Address(BASE + 2)


@pytest.mark.every_database
def test_exhaustion_takes_nothing(database: Database) -> None:
    """All or nothing: a claim too many leaves the pool as it was."""
    ledger = DatabaseLedger(database)
    ranges = [(IPv4Address(BASE + 1), IPv4Address(BASE + 3))]
    with pytest.raises(AddressesExhausted, match=r"10\.0\.0\.1-10\.0\.0\.3"):
        ledger.take("pool", ranges, (), [_claim("a", n) for n in range(4)], rest_seconds=60)
    assert ledger.held([_claim("a", n) for n in range(4)]) == {}
    assert (
        len(ledger.take("pool", ranges, (), [_claim("a", n) for n in range(3)], rest_seconds=60))
        == 3
    )


@pytest.mark.every_database
def test_pools_by_prefix(database: Database) -> None:
    """Prefixes are taken literally, wildcards of SQL included."""
    ledger = DatabaseLedger(database)
    ranges = [(IPv4Address(BASE + 1), IPv4Address(BASE + 10))]
    for pool in ("a_b/1", "axb/1"):
        ledger.take(pool, ranges, (), [_claim("a")], rest_seconds=60)
    assert ledger.pools("a_b/") == ["a_b/1"]
    assert ipam.size([(1, 10)]) == 10
