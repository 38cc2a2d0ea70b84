"""The address ledger: which address of which pool is whose, in the database.

Two processes can't hand out one address: (pool, address) is the primary key, and
writers of a pool queue on its row. What is free is kept in `abaca.db.address_gaps`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, and_, insert, or_, select, update

from abaca.db import address_gaps, foreign_addresses
from abaca.db.address_gaps import Spec
from abaca.db.database import Database, Tx
from abaca.db.tables import addresses, now
from abaca.errors import AddressesExhausted, AllocationConflict, DatabaseUnavailable, RowRefused
from abaca.network import ipam
from abaca.network.plugin import Claim, IPAddress, Label

T = TypeVar("T")
ATTEMPTS = 5
BATCH = 200
"""Claims per statement: below the limit of variables of every database."""


class DatabaseLedger:
    """`abaca.network.plugin.AddressLedger` on the database. Safe for threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def held(self, claims: Collection[Claim]) -> dict[tuple[Claim, str], IPAddress]:
        """The addresses that these claims hold, by (claim, pool)."""
        with self._database.read() as tx:
            return {
                (_claim(row), row.pool): ip_address(row.address) for row in _rows_of(tx, claims)
            }

    def take(
        self,
        pool: str,
        ranges: Sequence[tuple[IPAddress, IPAddress]],
        reserved: Collection[IPAddress],
        claims: Sequence[Claim],
        *,
        rest_seconds: int,
        tentative: bool = False,
    ) -> dict[Claim, IPAddress]:
        """Give each claim a free address of the ranges, or the one it has; all or nothing."""
        spec = address_gaps.spec_of(ranges, reserved)

        def work(tx: Tx) -> dict[Claim, IPAddress]:
            known = address_gaps.lock(tx, pool)
            have = {
                _claim(row): ip_address(row.address)
                for row in _rows_of(tx, claims)
                if row.pool == pool
            }
            missing = [claim for claim in dict.fromkeys(claims) if claim not in have]
            if missing and known != spec:
                address_gaps.remake(tx, pool, spec)
            for claim in missing:
                address = self._next(tx, pool, spec, rest_seconds)
                self._insert(tx, pool, {address: claim}, tentative=tentative)
                have[claim] = address
            return {claim: have[claim] for claim in claims}

        return self._retrying(pool, work)

    def _retrying(self, pool: str, work: Callable[[Tx], T]) -> T:
        """Run in a transaction; again if another process was faster, or the gaps were wrong.

        A gap that offers a taken address can't do harm (the primary key refuses
        it); the second attempt makes the gaps anew.
        """
        for _ in range(ATTEMPTS):
            try:
                with self._database.write() as tx:
                    return work(tx)
            except RowRefused:
                with self._database.write() as tx:
                    address_gaps.distrust(tx, pool)
        raise DatabaseUnavailable(f"pool {pool}: others were faster {ATTEMPTS} times")

    def _next(self, tx: Tx, pool: str, spec: Spec, rest_seconds: int) -> IPAddress:
        """Take the next address out of the gaps."""
        at = self._clock()
        gap = ipam.choose(
            address_gaps.first_gap(tx, pool, used=False, at=at),
            address_gaps.first_gap(tx, pool, used=True, at=at),
            size=ipam.size(spec.ranges),
            rest_seconds=rest_seconds,
        )
        if gap is None:
            raise AddressesExhausted(
                f"pool {pool}: every address of "
                f"{', '.join(ipam.spell_ranges(spec.ranges, spec.version))} is taken"
            )
        address_gaps.cut(tx, pool, gap, gap.first, spec.version)
        return address_gaps.address_of(gap.first, spec.version)

    def _insert(
        self, tx: Tx, pool: str, wanted: Mapping[IPAddress, Claim], *, tentative: bool = False
    ) -> None:
        stamp = self._clock()
        rows = [
            {
                "pool": pool,
                "address": str(address),
                "taken_at": stamp,
                "tentative": tentative,
                **_columns(claim),
            }
            for address, claim in wanted.items()
        ]
        tx.execute(insert(addresses), rows)

    def tentative(self, pool: str, claims: Collection[Claim]) -> dict[Claim, IPAddress]:
        """Those of the claims whose address there is tentative."""
        with self._database.read() as tx:
            return {
                _claim(row): ip_address(row.address)
                for row in _rows_of(tx, claims)
                if row.pool == pool and row.tentative
            }

    def confirm(self, pool: str, claims: Collection[Claim]) -> None:
        """What they hold there is tentative no longer."""
        if not claims:
            return
        with self._database.write() as tx:
            address_gaps.lock(tx, pool)
            for where in _batches(claims):
                mine = and_(addresses.c.pool == pool, where)
                tx.execute(update(addresses).where(mine).values(tentative=False))

    def put_aside(self, pool: str, answered: Mapping[IPAddress, str]) -> None:
        """Nobody holds these any more, and nobody gets them."""
        with self._database.write() as tx:
            foreign_addresses.put_aside(tx, pool, answered, self._clock())

    def aside(self, pool: str, older_than: datetime) -> set[IPAddress]:
        """The addresses that were put aside before that time."""
        with self._database.read() as tx:
            return foreign_addresses.aside(tx, pool, older_than)

    def readmit(self, pool: str, addresses: Collection[IPAddress]) -> None:
        """Those of them that were put aside are free again."""
        with self._database.write() as tx:
            reasons = {foreign_addresses.ANSWERED}
            foreign_addresses.readmit(tx, pool, addresses, reasons, self._clock())

    def take_these(self, pool: str, wanted: Mapping[IPAddress, Claim]) -> None:
        """Give exactly these, or AllocationConflict; whatever is nobody's may be taken."""

        def work(tx: Tx) -> None:
            spec = address_gaps.lock(tx, pool)
            have = {
                _claim(row): ip_address(row.address)
                for row in _rows_of(tx, wanted.values())
                if row.pool == pool
            }
            for address, claim in wanted.items():
                if have.get(claim, address) != address:
                    raise AllocationConflict(
                        f"pool {pool}: share server {claim.owner} has {have[claim]} already, "
                        f"and can't take {address} for the same interface"
                    )
                if claim not in have:
                    self._take_one(tx, pool, spec, address, claim)

        self._retrying(pool, work)

    def _take_one(
        self, tx: Tx, pool: str, spec: Spec | None, address: IPAddress, claim: Claim
    ) -> None:
        where = and_(addresses.c.pool == pool, addresses.c.address == str(address))
        row = tx.execute(select(addresses).where(where)).one_or_none()
        if row is not None and row.owner is not None:
            raise AllocationConflict(f"pool {pool}: {address} belongs to {row.owner}")
        if row is not None:
            # Forgotten, or somebody else's as was thought: it is this server's that has it.
            free = {"reason": None, "who": None, "taken_at": self._clock()}
            tx.execute(update(addresses).where(where).values(**free, **_columns(claim)))
            return
        if spec is not None:
            address_gaps.cut_around(tx, pool, int(address), spec.version)
        self._insert(tx, pool, {address: claim})

    def give_back(self, claims: Collection[Claim]) -> None:
        """Free them; they come last in their pools from now. Succeeds on unknown claims."""
        with self._database.read() as tx:
            names = sorted({row.pool for row in _rows_of(tx, claims)})
        for pool in names:
            with self._database.write() as tx:
                self._free(tx, pool, claims)

    def _free(self, tx: Tx, pool: str, claims: Collection[Claim]) -> None:
        spec = address_gaps.lock(tx, pool)
        taken = [row.address for row in _rows_of(tx, claims) if row.pool == pool]
        address_gaps.free(tx, pool, spec, taken, self._clock())

    def forget(self, claims: Collection[Claim]) -> None:
        """Keep the addresses taken, by nobody that `owned` would show."""
        with self._database.write() as tx:
            for where in _batches(claims):
                tx.execute(update(addresses).where(where).values(**foreign_addresses.NOBODY))

    def owned(self, pools: Collection[str], older_than: datetime) -> list[Claim]:
        """Claims that hold addresses of these pools since before that time."""
        statement = select(addresses).where(
            addresses.c.pool.in_(sorted(pools)),
            addresses.c.owner.is_not(None),
            addresses.c.taken_at < older_than,
        )
        with self._database.read() as tx:
            return sorted({_claim(row) for row in tx.execute(statement)})

    def forgotten(self, pool: str) -> set[IPAddress]:
        """The addresses of the pool that `forget` keeps taken."""
        statement = select(addresses.c.address).where(
            addresses.c.pool == pool, addresses.c.owner.is_(None), addresses.c.reason.is_(None)
        )
        with self._database.read() as tx:
            return {ip_address(text) for text in tx.execute(statement).scalars()}

    def pools(self, prefix: str) -> list[str]:
        """Names of the pools that begin so and have addresses taken, sorted."""
        statement = (
            select(addresses.c.pool)
            .where(addresses.c.pool.startswith(prefix, autoescape=True))
            .distinct()
        )
        with self._database.read() as tx:
            return sorted(tx.execute(statement).scalars())


def lock_pools(tx: Tx, names: Collection[str]) -> int:
    """Hold off the pools' writers until the transaction ends; how many addresses are taken."""
    for name in sorted(names):
        address_gaps.lock(tx, name)
    where = addresses.c.pool.in_(sorted(names))
    return len(tx.execute(select(addresses.c.address).where(where).limit(1)).all())


def _columns(claim: Claim) -> dict[str, object]:
    return {
        "owner": claim.owner,
        "label": str(claim.label),
        "subnet": claim.subnet,
        "index": claim.index,
    }


def _claim(row: Row[Any]) -> Claim:
    # Row.index is a method of tuples: the column goes by the mapping.
    index: int = row._mapping["index"]  # noqa: SLF001 - SQLAlchemy's documented name
    return Claim(owner=row.owner, label=Label(row.label), subnet=row.subnet, index=index)


def _batches(claims: Iterable[Claim]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together match the rows of all the claims."""
    groups: dict[tuple[str, Label, str], set[int]] = {}
    for claim in claims:
        groups.setdefault((claim.owner, claim.label, claim.subnet), set()).add(claim.index)
    conditions = [
        and_(
            addresses.c.owner == owner,
            addresses.c.label == str(label),
            addresses.c.subnet == subnet,
            addresses.c.index.in_(sorted(indexes)),
        )
        for (owner, label, subnet), indexes in sorted(groups.items())
    ]
    for start in range(0, len(conditions), BATCH):
        yield or_(*conditions[start : start + BATCH])


def _rows_of(tx: Tx, claims: Iterable[Claim]) -> list[Row[Any]]:
    return [row for where in _batches(claims) for row in tx.execute(select(addresses).where(where))]
