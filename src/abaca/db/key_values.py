"""Metadata of whatever has some: keys and values of the user's, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, Table, delete, insert, select

from abaca.db.among import among
from abaca.db.database import Tx


@dataclass(frozen=True, slots=True)
class KeyValues:
    """The rows of ``table``; ``owner`` is its column that says whose they are."""

    table: Table
    owner: str

    def get(self, tx: Tx, owner_id: str) -> dict[str, str]:
        """Everything that one has."""
        return self.of(tx, [owner_id]).get(owner_id, {})

    def of(self, tx: Tx, owner_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """By owner, in one statement; whoever has none is absent."""
        if not owner_ids:
            return {}
        found: dict[str, dict[str, str]] = {}
        wanted = _of(self.table, self.owner, tx.dialect)
        rows: Sequence[Any] = tx.execute(wanted, {"owners": owner_ids}).all()
        for owner, key, value in rows:
            found.setdefault(owner, {})[key] = value
        return found

    def put(self, tx: Tx, owner_id: str, metadata: Mapping[str, str]) -> None:
        """Set these keys; others stay."""
        if not metadata:
            return
        ours = self.table.c[self.owner] == owner_id
        tx.execute(delete(self.table).where(ours, self.table.c.key.in_(list(metadata))))
        rows = [{self.owner: owner_id, "key": key, "value": metadata[key]} for key in metadata]
        tx.execute(insert(self.table), rows)

    def replace(self, tx: Tx, owner_id: str, metadata: Mapping[str, str]) -> None:
        """These keys and no others."""
        tx.execute(delete(self.table).where(self.table.c[self.owner] == owner_id))
        self.put(tx, owner_id, metadata)

    def remove(self, tx: Tx, owner_id: str, key: str) -> bool:
        """Unset a key; False if it was not set."""
        where = (self.table.c[self.owner] == owner_id, self.table.c.key == key)
        return tx.execute(delete(self.table).where(*where)).rowcount > 0


@cache
def _of(table: Table, owner: str, dialect: str) -> Select[tuple[str, str, str]]:
    """Keys and values of some owners."""
    wanted = among(table.c[owner], "owners", dialect)
    return select(table.c[owner], table.c.key, table.c.value).where(wanted).order_by(table.c.key)
