"""Services: which processes do work, and when they were last seen."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update

from abaca.db.database import Tx
from abaca.db.tables import now, services
from abaca.model.pool import Service

UP_SECONDS = 60
"""A service that was not seen for so long is down: nothing is placed on its pools."""
SHARE_MANAGER = "manila-share"
"""The name that clients of this API know a share manager by."""


def every(tx: Tx) -> list[Service]:
    """All services, by binary and host."""
    return tx.all(Service, select(services).order_by(services.c.binary, services.c.host))


def seen(tx: Tx, host: str, availability_zone: str, *, binary: str = SHARE_MANAGER) -> None:
    """The service of this host (``host@backend`` for a share manager) is up now."""
    stamp = now()
    beat = (
        update(services)
        .where(services.c.host == host, services.c.binary == binary)
        .values(seen_at=stamp, updated_at=stamp, availability_zone=availability_zone)
    )
    if not tx.execute(beat).rowcount and not _add(tx, host, availability_zone, binary, stamp):
        tx.execute(beat)  # another manager of the same backend started at the same moment


def expected(tx: Tx, host: str, availability_zone: str) -> None:
    """There is a manager of this backend, which could not be used yet: it is not up."""
    known = select(services.c.id).where(services.c.host == host, services.c.binary == SHARE_MANAGER)
    if tx.scalar(known) is None:
        before = now() - timedelta(seconds=UP_SECONDS)
        _add(tx, host, availability_zone, SHARE_MANAGER, before)


def _add(tx: Tx, host: str, zone: str, binary: str, seen_at: datetime) -> bool:
    return tx.add(
        insert(services).values(
            host=host,
            binary=binary,
            availability_zone=zone,
            disabled=False,
            seen_at=seen_at,
            created_at=now(),
        )
    )


def switch(tx: Tx, host: str, binary: str, *, disabled: bool, reason: str | None = None) -> bool:
    """Have the scheduler use the service or not; False if there is none."""
    result = tx.execute(
        update(services)
        .where(services.c.host == host, services.c.binary == binary)
        .values(disabled=disabled, disabled_reason=reason if disabled else None)
    )
    return result.rowcount == 1


def note(tx: Tx, host: str, **errors: str | None) -> None:
    """What its driver (``driver_error``) or network plugin (``network_error``) said when asked.

    None: it answered. Costs nothing while nothing changes.
    """
    changed = or_(*(services.c[name].is_distinct_from(text) for name, text in errors.items()))
    tx.execute(
        update(services)
        .where(services.c.host == host, services.c.binary == SHARE_MANAGER, changed)
        .values(errors)
    )


def is_up(service: Service) -> bool:
    """True if it was seen of late."""
    return service.seen_at > now() - timedelta(seconds=UP_SECONDS)
