"""Addresses of our pools that others use: somebody answered for them, or a list says so.

They are rows of the ledger without an owner, so nobody is given them. Those that
answered come back when nobody answers any more; those of a list when they are
taken off it. A row with an owner is a server's, whatever else it says: Abaca of an
older release, which may run beside this one, does not clear the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, or_, select, update

from abaca.db import address_gaps
from abaca.db.database import Database, Tx
from abaca.db.tables import addresses, now
from abaca.errors import DatabaseUnavailable, RowRefused
from abaca.network.plugin import IPAddress

ANSWERED, IMPORTED = "answered", "imported"
ATTEMPTS = 5
BATCH = 500
"""Addresses per statement: below the limit of variables of every database."""
WHO_LENGTH = 255
NOBODY = {"owner": None, "label": None, "subnet": None, "index": None, "tentative": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAddress:
    """An address that is kept out of circulation, since somebody else uses it."""

    pool: str
    address: IPAddress
    reason: str
    """ANSWERED or IMPORTED"""
    who: str
    since: datetime
    """Of those that answered, when they did last."""


def put_aside(tx: Tx, pool: str, answered: Mapping[IPAddress, str], at: datetime) -> None:
    """Nobody holds those that are tentative, or aside already, and nobody gets them."""
    address_gaps.lock(tx, pool)
    for address, who in answered.items():
        which = or_(addresses.c.tentative.is_(True), _kept_out({ANSWERED}))
        tx.execute(
            update(addresses)
            .where(addresses.c.pool == pool, addresses.c.address == str(address), which)
            .values(**NOBODY, reason=ANSWERED, who=who[:WHO_LENGTH], taken_at=at)
        )


def aside(tx: Tx, pool: str, older_than: datetime) -> set[IPAddress]:
    """Those that answered before that time, and not since."""
    found = tx.execute(
        select(addresses.c.address).where(
            addresses.c.pool == pool,
            _kept_out({ANSWERED}),
            addresses.c.taken_at < older_than,
        )
    )
    return {ip_address(text) for text in found.scalars()}


def readmit(
    tx: Tx, pool: str, items: Collection[IPAddress], reasons: Collection[str], at: datetime
) -> int:
    """Those that are kept out for one of the reasons are free again; how many those were."""
    spec = address_gaps.lock(tx, pool)
    texts: list[str] = []
    for part in _batches(items):
        where = and_(_these(pool, part), _kept_out(reasons))
        texts += tx.execute(select(addresses.c.address).where(where)).scalars()
    address_gaps.free(tx, pool, spec, texts, at)
    return len(texts)


def _kept_out(reasons: Collection[str]) -> ColumnElement[bool]:
    return and_(addresses.c.owner.is_(None), addresses.c.reason.in_(sorted(reasons)))


def _these(pool: str, items: Collection[IPAddress]) -> ColumnElement[bool]:
    return and_(addresses.c.pool == pool, addresses.c.address.in_(sorted(map(str, items))))


class ForeignAddresses:
    """What administrators see and say of such addresses. Safe for threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def listed(self, pools: Collection[str] | None = None) -> list[ForeignAddress]:
        """Those of these pools, or of all, by pool and address."""
        where = _kept_out({ANSWERED, IMPORTED})
        if pools is not None:
            where = and_(where, addresses.c.pool.in_(sorted(pools)))
        with self._database.read() as tx:
            found = [
                ForeignAddress(
                    pool=row.pool,
                    address=ip_address(row.address),
                    reason=row.reason,
                    who=row.who or "",
                    since=row.taken_at,
                )
                for row in tx.execute(select(addresses).where(where))
            ]
        return sorted(found, key=lambda item: (item.pool, int(item.address)))

    def keep_out(self, wanted: Mapping[str, Mapping[IPAddress, str]]) -> dict[IPAddress, str]:
        """Keep these out, by pool, with who uses each; or nothing, if share servers hold some.

        Returns those, and who holds them. What is kept out already gets the new words, but
        for forgotten addresses: their servers run, so nothing may let them in.
        """
        for _ in range(ATTEMPTS):
            try:
                with self._database.write() as tx:
                    return self._keep_out(tx, wanted)
            except RowRefused:
                continue  # another process made the pool's row at the same time
        raise DatabaseUnavailable(f"foreign addresses: others were faster {ATTEMPTS} times")

    def _keep_out(
        self, tx: Tx, wanted: Mapping[str, Mapping[IPAddress, str]]
    ) -> dict[IPAddress, str]:
        held: dict[IPAddress, str] = {}
        forgotten: dict[str, set[IPAddress]] = {}
        for pool, items in sorted(wanted.items()):
            address_gaps.lock(tx, pool)
            rows = _rows(tx, pool, items)
            held |= {ip_address(row.address): row.owner for row in rows if row.owner}
            forgotten[pool] = {
                ip_address(row.address) for row in rows if row.owner is None and row.reason is None
            }
        if not held:
            for pool, items in sorted(wanted.items()):
                kept = forgotten[pool]
                self._keep(tx, pool, {item: who for item, who in items.items() if item not in kept})
        return held

    def _keep(self, tx: Tx, pool: str, items: Mapping[IPAddress, str]) -> None:
        """They are free, or kept out already."""
        if not items:
            return
        spec = address_gaps.lock(tx, pool)
        for part in _batches(items):
            tx.execute(delete(addresses).where(_these(pool, part)))
        row = {"pool": pool, "reason": IMPORTED, "taken_at": self._clock()}
        rows = [
            {**row, "address": str(address), "who": who[:WHO_LENGTH]}
            for address, who in items.items()
        ]
        tx.execute(insert(addresses), rows)
        if spec is not None:
            address_gaps.remake(tx, pool, spec)

    def let_in(self, pools: Collection[str], items: Collection[IPAddress]) -> int:
        """These are kept out no more, whatever for; how many were. Succeeds on others."""
        count = 0
        for pool in sorted(pools):
            with self._database.write() as tx:
                count += readmit(tx, pool, items, {ANSWERED, IMPORTED}, self._clock())
        return count


def _batches(items: Collection[IPAddress]) -> Iterator[list[IPAddress]]:
    rest = sorted(items, key=int)
    for start in range(0, len(rest), BATCH):
        yield rest[start : start + BATCH]


def _rows(tx: Tx, pool: str, items: Collection[IPAddress]) -> list[Row[Any]]:
    """Address, owner and reason of those that are taken."""
    columns = (addresses.c.address, addresses.c.owner, addresses.c.reason)
    return [
        row
        for part in _batches(items)
        for row in tx.execute(select(*columns).where(_these(pool, part)))
    ]
