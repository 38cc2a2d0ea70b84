"""Availability zones, as managers register them."""

from __future__ import annotations

from abaca.db import availability_zones
from abaca.db.database import Database


def north(db: Database) -> dict[str, str]:
    """One zone, ``north``."""
    with db.write() as tx:
        return {"zone": availability_zones.ensure(tx, "north").id}
