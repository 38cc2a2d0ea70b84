"""Metadata of shares."""

from __future__ import annotations

from abaca.db.key_values import KeyValues
from abaca.db.tables import share_metadata

_rows = KeyValues(share_metadata, "share_id")
get, of_shares, put = _rows.get, _rows.of, _rows.put
replace, remove = _rows.replace, _rows.remove
