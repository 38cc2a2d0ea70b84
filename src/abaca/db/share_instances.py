"""Share instances, for administrators and for the scheduler."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from abaca.db.database import Tx
from abaca.db.tables import share_instances, shares


def hosts_of_shares(tx: Tx, project_id: str, share_ids: Collection[str]) -> dict[str, str | None]:
    """``host@backend`` of each of these shares that is this project's; None if not placed yet."""
    if not share_ids:
        return {}
    rows = tx.execute(
        select(shares.c.id, share_instances.c.host)
        .join(share_instances, share_instances.c.share_id == shares.c.id)
        .where(
            shares.c.id.in_(sorted(share_ids)),
            shares.c.project_id == project_id,
            share_instances.c.primary_slot == 1,
        )
    )
    return {row.id: row.host for row in rows}
