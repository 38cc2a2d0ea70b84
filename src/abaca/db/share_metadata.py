"""Metadata of shares."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, update

from abaca.db.database import Tx
from abaca.db.key_values import KeyValues
from abaca.db.tables import now, share_metadata, shares

_rows = KeyValues(share_metadata, "share_id")
get, add = _rows.get, _rows.put
_TOUCH = update(shares).where(shares.c.id == bindparam("of_share"))


def replace(tx: Tx, share_id: str, metadata: Mapping[str, str]) -> None:
    """These keys and no others."""
    _rows.replace(tx, share_id, metadata)
    _touch(tx, share_id)


def remove(tx: Tx, share_id: str, key: str) -> bool:
    """Unset a key; False if it was not set."""
    _touch(tx, share_id)
    return _rows.remove(tx, share_id, key)


def _touch(tx: Tx, share_id: str) -> None:
    """Count it as a change of the share, which is shown with it."""
    tx.execute(_TOUCH, {"of_share": share_id, "updated_at": now()})
