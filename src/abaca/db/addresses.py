"""The address ledger: which address of which pool is whose, in the database.

Two processes can't hand out one address: (pool, address) is the primary key, and
writers of a pool queue on its row. What is free is kept as gaps (see
`abaca.network.ipam`), made anew when the ranges or the reserved addresses of a
pool change: that costs a walk over its taken addresses once, and leaves every
address that is taken alone, in the new ranges or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Row, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from abaca.db.database import Database, Tx
from abaca.db.tables import address_gaps as gaps
from abaca.db.tables import address_pools as pools
from abaca.db.tables import addresses, now
from abaca.errors import AddressesExhausted, AllocationConflict, DatabaseUnavailable
from abaca.network import ipam
from abaca.network.plugin import Claim, IPAddress, Label

T = TypeVar("T")
NEVER = datetime.fromtimestamp(0, UTC)
ATTEMPTS = 5
BATCH = 200
"""Claims per statement: below the limit of variables of every database."""


class _Spec(msgspec.Struct, frozen=True, array_like=True):
    """What a pool's gaps were made for, in the form that `address_pools.spec` keeps."""

    version: int
    ranges: list[ipam.Interval]
    reserved: list[int]

    def has(self, address: int) -> bool:
        """True if the pool may hand the address out."""
        return ipam.contains(self.ranges, address) and address not in self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUsage:
    """How full a pool is. ``free`` includes ``resting``; ``outside`` are taken, not in its ranges.

    ``free`` and ``resting`` count what the ranges have as they were at the last allocation.
    """

    pool: str
    used: int
    forgotten: int
    outside: int
    resting: int
    free: int


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
    ) -> dict[Claim, IPAddress]:
        """Give each claim a free address of the ranges, or the one it has; all or nothing."""
        spec = _spec(ranges, reserved)

        def work(tx: Tx) -> dict[Claim, IPAddress]:
            known = _lock(tx, pool)
            have = {
                _claim(row): ip_address(row.address)
                for row in _rows_of(tx, claims)
                if row.pool == pool
            }
            missing = [claim for claim in dict.fromkeys(claims) if claim not in have]
            if missing and known != spec:
                self._remake(tx, pool, spec)
            for claim in missing:
                have[claim] = self._take_next(tx, pool, spec, claim, rest_seconds)
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
            except IntegrityError:
                with self._database.write() as tx:
                    tx.execute(update(pools).where(pools.c.pool == pool).values(spec=""))
        raise DatabaseUnavailable(f"pool {pool}: others were faster {ATTEMPTS} times")

    def _take_next(
        self, tx: Tx, pool: str, spec: _Spec, claim: Claim, rest_seconds: int
    ) -> IPAddress:
        gap = ipam.choose(
            self._gap(tx, pool, gaps.c.freed_at == NEVER),
            self._gap(tx, pool, gaps.c.freed_at > NEVER),
            size=ipam.size(spec.ranges),
            rest_seconds=rest_seconds,
        )
        if gap is None:
            raise AddressesExhausted(
                f"pool {pool}: every address of "
                f"{', '.join(ipam.spell_ranges(spec.ranges, spec.version))} is taken"
            )
        _cut(tx, pool, gap, gap.first, spec.version)
        address = _address(gap.first, spec.version)
        self._insert(tx, pool, {address: claim})
        return address

    def _gap(self, tx: Tx, pool: str, which: ColumnElement[bool]) -> ipam.Gap | None:
        """The first gap of never used addresses, or the one freed longest ago."""
        row = tx.execute(
            select(gaps)
            .where(gaps.c.pool == pool, which)
            .order_by(gaps.c.freed_at, gaps.c.first)
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        never = row.freed_at == NEVER
        rested = None if never else (self._clock() - row.freed_at).total_seconds()
        return ipam.Gap(int(row.first, 16), int(row.last, 16), rested)

    def _insert(self, tx: Tx, pool: str, wanted: Mapping[IPAddress, Claim]) -> None:
        stamp = self._clock()
        rows = [
            {"pool": pool, "address": str(address), "taken_at": stamp, **_columns(claim)}
            for address, claim in wanted.items()
        ]
        tx.execute(insert(addresses), rows)

    def _remake(self, tx: Tx, pool: str, spec: _Spec) -> None:
        """Make the gaps from what is taken; what was freed keeps its place in the queue."""
        taken = tx.execute(select(addresses.c.address).where(addresses.c.pool == pool)).scalars()
        busy = {int(ip_address(text)) for text in taken} | set(spec.reserved)
        freed = {
            int(row.first, 16): row.freed_at
            for row in tx.execute(select(gaps).where(gaps.c.pool == pool, gaps.c.freed_at > NEVER))
        }
        freed = {item: at for item, at in freed.items() if spec.has(item) and item not in busy}
        tx.execute(delete(gaps).where(gaps.c.pool == pool))
        rows = [
            _gap_row(pool, first, last, spec.version, NEVER)
            for first, last in ipam.without(spec.ranges, busy | freed.keys())
        ]
        rows += [_gap_row(pool, item, item, spec.version, at) for item, at in freed.items()]
        if rows:
            tx.execute(insert(gaps), rows)
        text = msgspec.json.encode(spec).decode()
        tx.execute(update(pools).where(pools.c.pool == pool).values(spec=text))

    def take_these(self, pool: str, wanted: Mapping[IPAddress, Claim]) -> None:
        """Give exactly these, or AllocationConflict; a forgotten address may be taken again."""

        def work(tx: Tx) -> None:
            spec = _lock(tx, pool)
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
        self, tx: Tx, pool: str, spec: _Spec | None, address: IPAddress, claim: Claim
    ) -> None:
        where = and_(addresses.c.pool == pool, addresses.c.address == str(address))
        row = tx.execute(select(addresses).where(where)).one_or_none()
        if row is not None and row.owner is not None:
            raise AllocationConflict(f"pool {pool}: {address} belongs to {row.owner}")
        if row is not None:
            tx.execute(
                update(addresses).where(where).values(taken_at=self._clock(), **_columns(claim))
            )
            return
        if spec is not None:
            _cut_around(tx, pool, int(address), spec.version)
        self._insert(tx, pool, {address: claim})

    def give_back(self, claims: Collection[Claim]) -> None:
        """Free them; they come last in their pools from now. Succeeds on unknown claims."""
        with self._database.read() as tx:
            names = sorted({row.pool for row in _rows_of(tx, claims)})
        for pool in names:
            with self._database.write() as tx:
                self._free(tx, pool, claims)

    def _free(self, tx: Tx, pool: str, claims: Collection[Claim]) -> None:
        spec, stamp = _lock(tx, pool), self._clock()
        for row in _rows_of(tx, claims):
            if row.pool != pool:
                continue
            tx.execute(
                delete(addresses).where(
                    addresses.c.pool == pool, addresses.c.address == row.address
                )
            )
            number = int(ip_address(row.address))
            if spec is not None and spec.has(number):
                tx.execute(insert(gaps), _gap_row(pool, number, number, spec.version, stamp))

    def forget(self, claims: Collection[Claim]) -> None:
        """Keep the addresses taken, by nobody that `owned` would show."""
        nobody = {"owner": None, "label": None, "subnet": None, "index": None}
        with self._database.write() as tx:
            for where in _batches(claims):
                tx.execute(update(addresses).where(where).values(**nobody))

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
            addresses.c.pool == pool, addresses.c.owner.is_(None)
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

    def usage(self, rest_seconds: int = 0) -> list[PoolUsage]:
        """How full each pool is, by name (``abaca network usage``)."""
        with self._database.read() as tx:
            names = tx.execute(
                select(addresses.c.pool).union(select(pools.c.pool)).order_by("pool")
            ).scalars()
            return [self._usage(tx, name, rest_seconds) for name in list(names)]

    def _usage(self, tx: Tx, pool: str, rest_seconds: int) -> PoolUsage:
        spec = _read(tx, pool)
        taken = tx.execute(select(addresses).where(addresses.c.pool == pool)).all()
        free = [
            (int(row.last, 16) - int(row.first, 16) + 1, row.freed_at)
            for row in tx.execute(select(gaps).where(gaps.c.pool == pool))
        ]
        stamp = self._clock()
        return PoolUsage(
            pool=pool,
            used=sum(row.owner is not None for row in taken),
            forgotten=sum(row.owner is None for row in taken),
            outside=sum(
                spec is not None and not spec.has(int(ip_address(row.address))) for row in taken
            ),
            resting=sum(
                count
                for count, at in free
                if at > NEVER and (stamp - at).total_seconds() < rest_seconds
            ),
            free=sum(count for count, _ in free),
        )


def _spec(ranges: Sequence[tuple[IPAddress, IPAddress]], reserved: Collection[IPAddress]) -> _Spec:
    return _Spec(
        ranges[0][0].version if ranges else ipam.IPV4,
        ipam.normalise((int(first), int(last)) for first, last in ranges),
        sorted(int(item) for item in reserved),
    )


def _read(tx: Tx, pool: str) -> _Spec | None:
    return _decoded(tx.scalar(select(pools.c.spec).where(pools.c.pool == pool)))


def _decoded(text: str | None) -> _Spec | None:
    return msgspec.json.decode(text, type=_Spec) if text else None


def _lock(tx: Tx, pool: str) -> _Spec | None:
    """Writers of one pool queue here until the transaction ends; what its gaps were made for."""
    row = tx.execute(
        select(pools.c.spec).where(pools.c.pool == pool).with_for_update()
    ).one_or_none()
    if row is None:
        # If another process is doing the same, this fails, and the transaction is run again.
        tx.execute(insert(pools).values(pool=pool, spec=""))
    return None if row is None else _decoded(row.spec)


def lock_pools(tx: Tx, names: Collection[str]) -> int:
    """Hold off the pools' writers until the transaction ends; how many addresses are taken."""
    for name in sorted(names):
        _lock(tx, name)
    where = addresses.c.pool.in_(sorted(names))
    return len(tx.execute(select(addresses.c.address).where(where).limit(1)).all())


def drop_pools(tx: Tx, names: Collection[str]) -> None:
    """Forget pools that nobody holds an address of."""
    tx.execute(delete(gaps).where(gaps.c.pool.in_(sorted(names))))
    tx.execute(delete(pools).where(pools.c.pool.in_(sorted(names))))


def _cut(tx: Tx, pool: str, gap: ipam.Gap, address: int, version: int) -> None:
    """Take one address out of a gap: up to two gaps are left."""
    never = gap.rested is None
    where = and_(gaps.c.pool == pool, gaps.c.first == _hex(gap.first, version))
    if address == gap.first:
        tx.execute(delete(gaps).where(where))
    else:
        tx.execute(update(gaps).where(where).values(last=_hex(address - 1, version)))
    if address < gap.last and never:
        tx.execute(insert(gaps), _gap_row(pool, address + 1, gap.last, version, NEVER))


def _cut_around(tx: Tx, pool: str, address: int, version: int) -> None:
    """Take the address out of whichever gap has it, if any."""
    row = tx.execute(
        select(gaps)
        .where(gaps.c.pool == pool, gaps.c.first <= _hex(address, version))
        .order_by(gaps.c.first.desc())
        .limit(1)
    ).one_or_none()
    if row is not None and int(row.last, 16) >= address:
        rested = None if row.freed_at == NEVER else 0.0
        _cut(tx, pool, ipam.Gap(int(row.first, 16), int(row.last, 16), rested), address, version)


def _gap_row(pool: str, first: int, last: int, version: int, freed_at: datetime) -> dict[str, Any]:
    return {
        "pool": pool,
        "first": _hex(first, version),
        "last": _hex(last, version),
        "freed_at": freed_at,
    }


def _hex(address: int, version: int) -> str:
    return f"{address:08x}" if version == ipam.IPV4 else f"{address:032x}"


def _address(number: int, version: int) -> IPAddress:
    return IPv4Address(number) if version == ipam.IPV4 else IPv6Address(number)


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
