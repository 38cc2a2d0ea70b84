"""Export locations: where a share instance is mounted from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, select

from abaca.db.among import among
from abaca.db.database import Tx
from abaca.db.tables import export_locations
from abaca.model.share import ExportLocation

_ORDER = (
    export_locations.c.preferred.desc(),
    export_locations.c.path,
    export_locations.c.id,
)


def of_instances(tx: Tx, instance_ids: Sequence[str]) -> dict[str, list[ExportLocation]]:
    """By share instance, preferred first, in one statement."""
    found: dict[str, list[ExportLocation]] = {}
    if instance_ids:
        for location in tx.all(ExportLocation, _of(tx.dialect), {"instances": instance_ids}):
            found.setdefault(location.share_instance_id, []).append(location)
    return found


def of_instance(tx: Tx, instance_id: str) -> list[ExportLocation]:
    """Those of one share instance, preferred first."""
    return of_instances(tx, [instance_id]).get(instance_id, [])


def get(tx: Tx, instance_id: str, location_id: str) -> ExportLocation | None:
    """One export location of this share instance."""
    where = (
        export_locations.c.id == location_id,
        export_locations.c.share_instance_id == instance_id,
    )
    return tx.one(ExportLocation, _select().where(*where))


def _select() -> Select[Any]:
    return select(export_locations).order_by(*_ORDER)


@cache
def _of(dialect: str) -> Select[Any]:
    """Those of some share instances."""
    wanted = among(export_locations.c.share_instance_id, "instances", dialect)
    return _select().where(wanted)
