"""The free space of address pools, as gaps (see `abaca.network.ipam`); callers hold the pool.

What is free is made anew when the ranges or the reserved addresses of a pool
change: that costs a walk over its taken addresses once, and leaves every
address that is taken alone, in the new ranges or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, case, delete, func, insert, select, update

from abaca.db.database import Tx
from abaca.db.tables import address_gaps as gaps
from abaca.db.tables import address_pools as pools
from abaca.db.tables import addresses
from abaca.network import ipam
from abaca.network.plugin import IPAddress

NEVER = datetime.fromtimestamp(0, UTC)


class Spec(msgspec.Struct, frozen=True, array_like=True):
    """What a pool's gaps were made for, in the form that `address_pools.spec` keeps."""

    version: int
    ranges: list[ipam.Interval]
    reserved: list[int]

    def has(self, address: int) -> bool:
        """True if the pool may hand the address out."""
        return ipam.contains(self.ranges, address) and address not in self.reserved

    @property
    def kept(self) -> int:
        """How many addresses of the ranges are never handed out."""
        return sum(ipam.contains(self.ranges, item) for item in set(self.reserved))

    @property
    def size(self) -> int:
        """How many may be handed out."""
        return ipam.size(self.ranges) - self.kept


@dataclass(frozen=True, slots=True)
class Room:
    """What is free in a pool, in addresses."""

    free: int = 0
    resting: int = 0
    """Of the free ones those that were freed after some time."""


def spec_of(ranges: Sequence[tuple[IPAddress, IPAddress]], reserved: Collection[IPAddress]) -> Spec:
    """The one form of what a plugin says of a pool."""
    return Spec(
        ranges[0][0].version if ranges else ipam.IPV4,
        ipam.normalise((int(first), int(last)) for first, last in ranges),
        sorted(int(item) for item in reserved),
    )


def read(tx: Tx, pool: str) -> Spec | None:
    """What the pool's gaps were made for; None if there are none yet."""
    return _decoded(tx.scalar(select(pools.c.spec).where(pools.c.pool == pool)))


def every(tx: Tx) -> dict[str, Spec]:
    """What the gaps of each pool were made for; without those that have none that hold."""
    rows = tx.execute(select(pools.c.pool, pools.c.spec).where(pools.c.spec != ""))
    return {row.pool: msgspec.json.decode(row.spec, type=Spec) for row in rows}


def rooms(tx: Tx, since: datetime) -> dict[str, Room]:
    """What the gaps of each pool have, and how much of it was freed after that time.

    What was freed is counted by the database: there is a row for each such address. Of those
    never used there are few rows, whose numbers it can't take apart.
    """
    rested = func.sum(case((gaps.c.freed_at > since, 1), else_=0)).label("resting")
    freed = (
        select(gaps.c.pool, func.count().label("free"), rested)
        .where(gaps.c.freed_at > NEVER)
        .group_by(gaps.c.pool)
    )
    found = {row.pool: Room(int(row.free), int(row.resting)) for row in tx.execute(freed)}
    never = select(gaps.c.pool, gaps.c.first, gaps.c.last).where(gaps.c.freed_at == NEVER)
    for row in tx.execute(never):
        room = found.get(row.pool, Room())
        width = int(row.last, 16) - int(row.first, 16) + 1
        found[row.pool] = Room(room.free + width, room.resting)
    return found


def lock(tx: Tx, pool: str) -> Spec | None:
    """As `read`; and writers of the pool queue here until the transaction ends."""
    row = tx.execute(
        select(pools.c.spec).where(pools.c.pool == pool).with_for_update()
    ).one_or_none()
    if row is None:
        # If another process is doing the same, this fails, and the transaction is run again.
        tx.execute(insert(pools).values(pool=pool, spec=""))
    else:
        tx.hold(f"pool {pool}")
    return None if row is None else _decoded(row.spec)


def _decoded(text: str | None) -> Spec | None:
    return msgspec.json.decode(text, type=Spec) if text else None


def remake(tx: Tx, pool: str, spec: Spec) -> None:
    """Make the gaps from what is taken; what was freed keeps its place in the queue."""
    taken = tx.execute(select(addresses.c.address).where(addresses.c.pool == pool)).scalars()
    busy = {int(ip_address(text)) for text in taken} | set(spec.reserved)
    freed = {
        item: at for item, at in released(tx, pool).items() if spec.has(item) and item not in busy
    }
    tx.execute(delete(gaps).where(gaps.c.pool == pool))
    rows = [
        _row(pool, first, last, spec.version, NEVER)
        for first, last in ipam.without(spec.ranges, busy | freed.keys())
    ]
    rows += [_row(pool, item, item, spec.version, at) for item, at in freed.items()]
    if rows:
        tx.execute(insert(gaps), rows)
    text = msgspec.json.encode(spec).decode()
    tx.execute(update(pools).where(pools.c.pool == pool).values(spec=text))


def distrust(tx: Tx, pool: str) -> None:
    """Have the gaps made anew before the next address is given."""
    tx.execute(update(pools).where(pools.c.pool == pool).values(spec=""))


def released(tx: Tx, pool: str) -> dict[int, datetime]:
    """When each address that is free now was freed; those never used are not in it."""
    where = and_(gaps.c.pool == pool, gaps.c.freed_at > NEVER)
    return {int(row.first, 16): row.freed_at for row in tx.execute(select(gaps).where(where))}


def first_gap(tx: Tx, pool: str, *, used: bool, at: datetime) -> ipam.Gap | None:
    """The lowest gap of never used addresses, or the address freed longest ago."""
    which: ColumnElement[bool] = gaps.c.freed_at > NEVER if used else gaps.c.freed_at == NEVER
    row = tx.execute(
        select(gaps)
        .where(gaps.c.pool == pool, which)
        .order_by(gaps.c.freed_at, gaps.c.first)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    rested = (at - row.freed_at).total_seconds() if used else None
    return ipam.Gap(int(row.first, 16), int(row.last, 16), rested)


def cut(tx: Tx, pool: str, gap: ipam.Gap, address: int, version: int) -> None:
    """Take one address out of a gap: up to two gaps are left."""
    never = gap.rested is None
    where = and_(gaps.c.pool == pool, gaps.c.first == _hex(gap.first, version))
    if address == gap.first:
        tx.execute(delete(gaps).where(where))
    else:
        tx.execute(update(gaps).where(where).values(last=_hex(address - 1, version)))
    if address < gap.last and never:
        tx.execute(insert(gaps), _row(pool, address + 1, gap.last, version, NEVER))


def cut_around(tx: Tx, pool: str, address: int, version: int) -> None:
    """Take the address out of whichever gap has it, if any."""
    row = tx.execute(
        select(gaps)
        .where(gaps.c.pool == pool, gaps.c.first <= _hex(address, version))
        .order_by(gaps.c.first.desc())
        .limit(1)
    ).one_or_none()
    if row is not None and int(row.last, 16) >= address:
        rested = None if row.freed_at == NEVER else 0.0
        cut(tx, pool, ipam.Gap(int(row.first, 16), int(row.last, 16), rested), address, version)


def free(tx: Tx, pool: str, spec: Spec | None, taken: Iterable[str], at: datetime) -> None:
    """These addresses are taken no more; they come last, if the pool may give them at all."""
    for text in taken:
        tx.execute(delete(addresses).where(addresses.c.pool == pool, addresses.c.address == text))
        number = int(ip_address(text))
        if spec is not None and spec.has(number):
            tx.execute(insert(gaps), _row(pool, number, number, spec.version, at))


def drop(tx: Tx, names: Collection[str]) -> None:
    """Forget pools that nobody holds an address of."""
    tx.execute(delete(gaps).where(gaps.c.pool.in_(sorted(names))))
    tx.execute(delete(pools).where(pools.c.pool.in_(sorted(names))))


def address_of(number: int, version: int) -> IPAddress:
    """The address that the number stands for."""
    return IPv4Address(number) if version == ipam.IPV4 else IPv6Address(number)


def _row(pool: str, first: int, last: int, version: int, freed_at: datetime) -> dict[str, Any]:
    return {
        "pool": pool,
        "first": _hex(first, version),
        "last": _hex(last, version),
        "freed_at": freed_at,
    }


def _hex(address: int, version: int) -> str:
    return f"{address:08x}" if version == ipam.IPV4 else f"{address:032x}"
