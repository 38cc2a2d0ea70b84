"""Queries on availability zones."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from abaca.db.database import Tx
from abaca.db.tables import availability_zones, new_id, now
from abaca.model.pool import AvailabilityZone


def list_all(tx: Tx) -> tuple[AvailabilityZone, ...]:
    """Every zone, by name."""
    return tuple(
        tx.all(AvailabilityZone, select(availability_zones).order_by(availability_zones.c.name))
    )


def find(tx: Tx, name_or_id: str) -> AvailabilityZone | None:
    """The zone of this name or ID."""
    columns = availability_zones.c
    return tx.one(
        AvailabilityZone,
        select(availability_zones).where((columns.name == name_or_id) | (columns.id == name_or_id)),
    )


def ensure(tx: Tx, name: str) -> AvailabilityZone:
    """The zone of this name, made if it is missing."""
    found = find(tx, name)
    if found is None:
        try:
            with tx.connection.begin_nested():
                tx.execute(
                    availability_zones.insert(),
                    {"id": new_id(), "name": name, "created_at": now()},
                )
        except IntegrityError:
            pass  # another process made it at the same moment
        found = find(tx, name)
    assert found is not None  # noqa: S101 - just made
    return found
