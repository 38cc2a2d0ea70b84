"""Metadata of shares: keys and values of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, insert, select

from abaca.db.database import Tx
from abaca.db.tables import share_metadata


def get(tx: Tx, share_id: str) -> dict[str, str]:
    """Everything that the share has."""
    return of_shares(tx, [share_id]).get(share_id, {})


def of_shares(tx: Tx, share_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """By share, in one statement; a share without metadata is absent."""
    if not share_ids:
        return {}
    statement = select(share_metadata).where(share_metadata.c.share_id.in_(share_ids))
    found: dict[str, dict[str, str]] = {}
    for row in tx.execute(statement.order_by(share_metadata.c.key)):
        found.setdefault(row.share_id, {})[row.key] = row.value
    return found


def put(tx: Tx, share_id: str, metadata: Mapping[str, str]) -> None:
    """Set these keys; others stay."""
    if not metadata:
        return
    ours = share_metadata.c.share_id == share_id
    tx.execute(delete(share_metadata).where(ours, share_metadata.c.key.in_(list(metadata))))
    rows = [{"share_id": share_id, "key": key, "value": metadata[key]} for key in metadata]
    tx.execute(insert(share_metadata), rows)


def replace(tx: Tx, share_id: str, metadata: Mapping[str, str]) -> None:
    """These keys and no others."""
    tx.execute(delete(share_metadata).where(share_metadata.c.share_id == share_id))
    put(tx, share_id, metadata)


def remove(tx: Tx, share_id: str, key: str) -> bool:
    """Unset a key; False if it was not set."""
    where = (share_metadata.c.share_id == share_id, share_metadata.c.key == key)
    return tx.execute(delete(share_metadata).where(*where)).rowcount > 0
