"""Services: which processes do work, and when they were last seen."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert, select, update

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
    if tx.execute(beat).rowcount:
        return
    first = insert(services).values(
        host=host,
        binary=binary,
        availability_zone=availability_zone,
        disabled=False,
        seen_at=stamp,
        created_at=stamp,
    )
    if not tx.add(first):
        tx.execute(beat)  # another manager of the same backend started at the same moment


def switch(tx: Tx, host: str, binary: str, *, disabled: bool, reason: str | None = None) -> bool:
    """Have the scheduler use the service or not; False if there is none."""
    result = tx.execute(
        update(services)
        .where(services.c.host == host, services.c.binary == binary)
        .values(disabled=disabled, disabled_reason=reason if disabled else None)
    )
    return result.rowcount == 1


def is_up(service: Service) -> bool:
    """True if it was seen of late."""
    return service.seen_at > now() - timedelta(seconds=UP_SECONDS)
