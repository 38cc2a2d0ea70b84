"""How full address pools are, and which have just become too full for their administrators."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from sqlalchemy import and_, select, update

from abaca.db import address_gaps
from abaca.db.database import Database, Tx
from abaca.db.foreign_addresses import ANSWERED, IMPORTED
from abaca.db.tables import address_pools, addresses, now
from abaca.network import ipam
from abaca.network.plugin import AddressPool, IPAddress, Label


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
    everything = ipam.size(spec.ranges)
    reserved = sum(ipam.contains(spec.ranges, item) for item in set(spec.reserved))
    size = everything - reserved
    inside = {row.address for row in rows if spec.has(row.address)}
    held = [row for row in rows if row.label is not None]
    reasons = [row.reason for row in rows if row.label is None]
    free = size - len(inside)
    return PoolUsage(
        network=pool.network,
        pool=pool.name,
        size=size,
        used=len(held),
        user=sum(row.label is Label.USER for row in held),
        admin=sum(row.label is Label.ADMIN for row in held),
        outside=sum(row.address not in inside for row in held),
        free=free,
        resting=sum(
            spec.has(address) and address not in inside and _rests(pool, freed, at)
            for address, freed in released.items()
        ),
        reserved=reserved,
        answered=reasons.count(ANSWERED),
        imported=reasons.count(IMPORTED),
        forgotten=reasons.count(None),
        percent=round(100 * (size - free) / size, 1) if size else 0.0,
        warn_percent=pool.warn_percent,
    )


def _rests(pool: AddressPool, freed: datetime, at: datetime) -> bool:
    return (at - freed).total_seconds() < pool.rest_seconds


def usage(db: Database, known: Collection[AddressPool], *, others: bool = True) -> list[PoolUsage]:
    """Of the known pools, as they are now, and of all others, as they were when last used."""
    with db.read() as tx:
        pools = {name: _recorded(tx, name) for name in _names(tx)} if others else {}
        pools |= {item.name: item for item in known}
        found = [_usage(tx, item) for item in pools.values()]
    return sorted(found, key=lambda item: (item.network, item.pool))


def _names(tx: Tx) -> list[str]:
    return list(tx.execute(select(addresses.c.pool).union(select(address_pools.c.pool))).scalars())


def _recorded(tx: Tx, name: str) -> AddressPool:
    spec = address_gaps.read(tx, name)
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


def _usage(tx: Tx, pool: AddressPool) -> PoolUsage:
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
    return measure(pool, taken, address_gaps.released(tx, pool.name), now())


def crossings(db: Database, found: Sequence[PoolUsage]) -> list[PoolUsage]:
    """Those that have become nearly full since anybody looked; each crossing is told once."""
    crossed = []
    for item in found:
        column = address_pools.c.filled_at
        before = column.is_(None) if item.nearly_full else column.is_not(None)
        where = and_(address_pools.c.pool == item.pool, before)
        with db.read() as tx:
            if tx.execute(select(address_pools.c.pool).where(where)).first() is None:
                continue
        stamp = now() if item.nearly_full else None
        with db.write() as tx:
            # Of several who look at once, one changes it.
            changed = tx.execute(update(address_pools).where(where).values(filled_at=stamp))
            if changed.rowcount and item.nearly_full:
                crossed.append(item)
    return crossed
