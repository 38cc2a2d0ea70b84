"""Pools: where shares can go, as the managers reported them, less what was placed since."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Float, bindparam, delete, func, insert, or_, select, update

from abaca.db.database import Tx
from abaca.db.rows import load
from abaca.db.services import UP_SECONDS
from abaca.db.tables import now, pools, services, share_instances
from abaca.model.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All pools at one moment, by name."""

    live: tuple[Pool, ...]
    """Of backends whose service is up and not disabled."""
    not_up: tuple[Pool, ...]
    """Of backends whose service is down or disabled."""

    @property
    def every(self) -> tuple[Pool, ...]:
        """Up or not."""
        return (*self.live, *self.not_up)

    @property
    def protocols(self) -> list[str]:
        """The share protocols of all backends, in upper case, sorted."""
        return sorted({item.upper() for pool in self.every for item in pool.protocols})


def survey(tx: Tx) -> Survey:
    """What the scheduler chooses from."""
    rows = tx.execute(_SURVEY, {"alive_since": now() - timedelta(seconds=UP_SECONDS)}).all()
    return Survey(
        live=tuple(load(Pool, row) for row in rows if row.is_up),
        not_up=tuple(load(Pool, row) for row in rows if not row.is_up),
    )


def every(tx: Tx) -> list[Pool]:
    """All pools ever reported and not withdrawn, by name (administrators)."""
    return tx.all(Pool, _EVERY)


def take(tx: Tx, pool: Pool, size_gib: int) -> bool:
    """Promise room in the pool; False if it has not so much left.

    The comparison is made by the statement that takes the room, on the row as it
    is then: two placements at once can't both take the last room.
    """
    where = {"of_host": pool.host, "pool": pool.name, "gib": size_gib}
    return tx.execute(_TAKE, where).rowcount == 1


def promised_gib(tx: Tx, host: str, pool: str, measured_at: datetime) -> int:
    """GiB placed there that free space measured at that time can't have known of.

    For `report`: instances that are not made yet, or were changed since then (a
    moment too many counted for one report, rather than room given out twice).
    """
    instance = share_instances.c
    return int(
        tx.scalar(
            select(func.coalesce(func.sum(instance.wanted_size), 0)).where(
                instance.host == host,
                instance.pool == pool,
                or_(instance.made.is_(False), instance.updated_at >= measured_at),
                instance.status.not_in(("deleting", "error")),
            )
        )
    )


def report(tx: Tx, host: str, found: Collection[Pool]) -> None:
    """These are the pools of a backend, with what is free less what was promised since.

    Pools that it has no more are withdrawn.
    """
    names = [pool.name for pool in found]
    tx.execute(delete(pools).where(pools.c.host == host, pools.c.name.not_in(names)))
    for pool in found:
        # Placements on the pool wait from here, or are counted: none falls between.
        mine = (pools.c.host == host, pools.c.name == pool.name)
        tx.execute(select(pools.c.name).where(*mine).with_for_update())
        promised = promised_gib(tx, host, pool.name, pool.reported_at)
        values = {
            "backend": pool.backend,
            "driver_mode": str(pool.driver_mode),
            "availability_zone": pool.availability_zone,
            "protocols": list(pool.protocols),
            "makes_networks": pool.makes_networks,
            "total_gib": pool.total_gib,
            "free_gib": max(0.0, pool.free_gib - promised),
            "capabilities": dict(pool.capabilities),
            "reported_at": pool.reported_at,
        }
        known = update(pools).where(*mine).values(values)
        if not tx.execute(known).rowcount and not tx.add(
            insert(pools).values(host=host, name=pool.name, version=0, **values)
        ):
            tx.execute(known)  # another manager of the same backend was faster


_UP = (
    select(services.c.host)
    .where(services.c.disabled.is_(False), services.c.seen_at > bindparam("alive_since"))
    .scalar_subquery()
)
"""The ``host@backend`` of services that are up and not disabled."""
_EVERY = select(pools).order_by(pools.c.host, pools.c.name)
_SURVEY = _EVERY.add_columns(pools.c.host.in_(_UP).label("is_up"))
_GIB = bindparam("gib", type_=Float)
_TAKE = (
    update(pools)
    .where(
        pools.c.host == bindparam("of_host"),
        pools.c.name == bindparam("pool"),
        pools.c.free_gib >= _GIB,
    )
    .values(free_gib=pools.c.free_gib - _GIB, version=pools.c.version + 1)
)
