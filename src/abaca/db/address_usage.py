"""How full address pools are, and which have just become too full for their administrators."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from sqlalchemy import func, select, update

from abaca.db import address_gaps
from abaca.db.address_gaps import Room, Spec
from abaca.db.database import Database, Tx
from abaca.db.foreign_addresses import ANSWERED, IMPORTED
from abaca.db.tables import address_pools, addresses, now
from abaca.network.plugin import AddressPool, IPAddress, Label

FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An address that is not free."""

    address: int
    label: Label | None = None
    """Whose side of a share server it serves; None if nobody holds it."""
    reason: str | None = None
    """Why it is kept out; None with None for the address of an unmanaged server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUsage:
    """How full a pool is, in addresses.

    ``size`` are those that may be given: in the ranges, not reserved. They are ``free``, or
    used inside the ranges, or kept out.
    """

    network: str
    pool: str
    size: int
    used: int
    """Held, inside the ranges or not: ``user`` and ``admin``."""
    user: int
    admin: int
    outside: int
    """Of the used ones those that are not in the ranges (any more)."""
    free: int
    resting: int
    """Of the free ones those that were freed a short time ago."""
    reserved: int
    """In the ranges, but never given: gateway, next hops, network and broadcast address."""
    answered: int
    """Kept out, since somebody else answers for them."""
    imported: int
    """Kept out, since the list of others' addresses has them."""
    forgotten: int
    """Kept out, since share servers that were unmanaged have them."""
    percent: float
    """Of ``size``, what is not free."""
    warn_percent: int

    @property
    def nearly_full(self) -> bool:
        """True if administrators want to know."""
        return bool(self.size and self.warn_percent) and self.percent >= self.warn_percent


def measure(
    pool: AddressPool, taken: Iterable[Taken], released: Mapping[int, datetime], at: datetime
) -> PoolUsage:
    """The usage, from all that is taken, and when each address was freed that is free now."""
    rows = list(taken)
    spec = address_gaps.spec_of(pool.ranges, pool.reserved)
    inside = {row.address for row in rows if spec.has(row.address)}
    return _usage(
        pool,
        spec,
        Counter(_state(row.label, row.reason) for row in rows),
        outside=sum(row.label is not None and row.address not in inside for row in rows),
        room=Room(
            free=spec.size - len(inside),
            resting=sum(
                spec.has(address) and address not in inside and _rests(pool, freed, at)
                for address, freed in released.items()
            ),
        ),
    )


def _state(label: str | None, reason: str | None) -> str:
    return label or reason or FORGOTTEN


def _usage(
    pool: AddressPool, spec: Spec, counts: Mapping[str, int], *, outside: int, room: Room
) -> PoolUsage:
    size, user, admin = spec.size, counts.get(Label.USER, 0), counts.get(Label.ADMIN, 0)
    return PoolUsage(
        network=pool.network,
        pool=pool.name,
        size=size,
        used=user + admin,
        user=user,
        admin=admin,
        outside=outside,
        free=room.free,
        resting=room.resting,
        reserved=spec.kept,
        answered=counts.get(ANSWERED, 0),
        imported=counts.get(IMPORTED, 0),
        forgotten=counts.get(FORGOTTEN, 0),
        percent=round(100 * (size - room.free) / size, 1) if size else 0.0,
        warn_percent=pool.warn_percent,
    )


def _rests(pool: AddressPool, freed: datetime, at: datetime) -> bool:
    return (at - freed).total_seconds() < pool.rest_seconds


def usage(db: Database, known: Collection[AddressPool], *, others: bool = True) -> list[PoolUsage]:
    """Of the known pools, as they are now, and of all others, as they were when last used."""
    with db.read() as tx:
        specs = address_gaps.every(tx)
        pools = {name: _recorded(name, specs.get(name)) for name in _names(tx)} if others else {}
        pools |= {item.name: item for item in known}
        at = now()
        pauses = {item.rest_seconds for item in pools.values()}
        rooms = {each: address_gaps.rooms(tx, at - timedelta(seconds=each)) for each in pauses}
        counts = _counts(tx)
        found = []
        for name, pool in pools.items():
            there, room = counts[name], rooms[pool.rest_seconds].get(name, Room())
            spec = address_gaps.spec_of(pool.ranges, pool.reserved)
            if spec == specs.get(name) and spec.size == room.free + there.total():
                found.append(_usage(pool, spec, there, outside=0, room=room))
            else:
                found.append(_walked(tx, pool, at))
    return sorted(found, key=lambda item: (item.network, item.pool))


def _names(tx: Tx) -> list[str]:
    return list(tx.execute(select(addresses.c.pool).union(select(address_pools.c.pool))).scalars())


def _recorded(name: str, spec: Spec | None) -> AddressPool:
    if spec is None:
        return AddressPool(name=name, network=name, cidr=None, ranges=(), reserved=frozenset())

    def addressed(number: int) -> IPAddress:
        return address_gaps.address_of(number, spec.version)

    return AddressPool(
        name=name,
        network=name,
        cidr=None,
        ranges=tuple((addressed(first), addressed(last)) for first, last in spec.ranges),
        reserved=frozenset(map(addressed, spec.reserved)),
    )


def _counts(tx: Tx) -> defaultdict[str, Counter[str]]:
    """What is taken in each pool, by state."""
    column = addresses.c
    by = (column.pool, column.label, column.reason)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in tx.execute(select(*by, func.count().label("number")).group_by(*by)):
        found[row.pool][_state(row.label, row.reason)] += int(row.number)
    return found


def _walked(tx: Tx, pool: AddressPool, at: datetime) -> PoolUsage:
    """Address by address: its ranges have changed, or some that are taken are outside them."""
    columns = (addresses.c.address, addresses.c.label, addresses.c.reason)
    rows = tx.execute(select(*columns).where(addresses.c.pool == pool.name))
    taken = [
        Taken(
            address=int(ip_address(row.address)),
            label=Label(row.label) if row.label else None,
            reason=row.reason,
        )
        for row in rows
    ]
    return measure(pool, taken, address_gaps.released(tx, pool.name), at)


def crossings(db: Database, found: Sequence[PoolUsage]) -> list[PoolUsage]:
    """Those that have become nearly full since anybody looked; each crossing is told once."""
    column = address_pools.c
    with db.read() as tx:
        rows = tx.execute(select(column.pool, column.filled_at)).all()
    before = {row.pool: row.filled_at is not None for row in rows}
    changed = [item for item in found if before.get(item.pool) is not item.nearly_full]
    changed = [item for item in changed if item.pool in before]
    if not changed:
        return []
    with db.write() as tx:
        return [item for item in changed if _crosses(tx, item) and item.nearly_full]


def _crosses(tx: Tx, item: PoolUsage) -> bool:
    """Of several who look at once, one changes it."""
    column = address_pools.c
    before = column.filled_at.is_(None) if item.nearly_full else column.filled_at.is_not(None)
    stamp = now() if item.nearly_full else None
    which = update(address_pools).where(column.pool == item.pool, before)
    return bool(tx.execute(which.values(filled_at=stamp)).rowcount)
