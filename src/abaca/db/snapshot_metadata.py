"""Metadata of snapshots."""

from __future__ import annotations

from abaca.db.key_values import KeyValues
from abaca.db.tables import snapshot_metadata

_rows = KeyValues(snapshot_metadata, "snapshot_id")
get, of_snapshots, put = _rows.get, _rows.of, _rows.put
replace, remove = _rows.replace, _rows.remove
