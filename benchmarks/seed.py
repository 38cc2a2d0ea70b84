"""Many shares at once, as they are after they were made."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert

from abaca.db.database import Database
from abaca.db.tables import export_locations, now, share_instances, share_metadata, shares
from benchmarks.service import HOST, PROJECT

BATCH = 5000


def fill(db: Database, type_id: str, count: int, say: Callable[[str], None]) -> list[str]:
    """``count`` available shares of the project, a second apart; their IDs, oldest first."""
    numbers = random.Random(count)  # noqa: S311 - IDs that spread like real ones, repeatably
    start = now() - timedelta(seconds=count)
    ids: list[str] = []
    for first in range(0, count, BATCH):
        rows = []
        for number in range(first, min(count, first + BATCH)):
            made = [str(uuid.UUID(int=numbers.getrandbits(128), version=4)) for _ in range(3)]
            ids.append(made[0])
            rows.append(_rows(made, type_id, number, start + timedelta(seconds=number)))
        with db.write() as tx:
            for place, table in enumerate((shares, share_instances, export_locations)):
                tx.execute(insert(table), [row[place] for row in rows])
            tags = [{"share_id": row[0]["id"], "key": "team", "value": "x"} for row in rows]
            tx.execute(insert(share_metadata), tags)
        if first and first % 100_000 == 0:
            say(f"  {first:,} shares are there")
    return ids


def _rows(
    ids: Sequence[str], type_id: str, number: int, stamp: datetime
) -> tuple[dict[str, object], dict[str, object], dict[str, object]]:
    """Of a share, its instance and its export location."""
    share, instance, location = ids
    return (
        {
            "id": share,
            "project_id": PROJECT,
            "user_id": "somebody",
            "name": f"share-{number}",
            "description": f"made for the benchmark, number {number}",
            "size": 1,
            "share_proto": "NFS",
            "share_type_id": type_id,
            "is_public": False,
            "created_at": stamp,
        },
        {
            "id": instance,
            "share_id": share,
            "primary_slot": 1,
            "status": "available",
            "access_rules_status": "active",
            "progress": "100%",
            "host": HOST,
            "pool": "fake",
            "availability_zone": "nova",
            "export_id": number + 1,
            "wanted_size": 1,
            "made": True,
            "created_at": stamp,
        },
        {
            "id": location,
            "share_instance_id": instance,
            "path": f"127.0.0.1:/{share}",
            "preferred": True,
            "is_admin_only": False,
            "created_at": stamp,
        },
    )
