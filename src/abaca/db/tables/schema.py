"""The database's own: its schema, for code that is older; what excludes whom on Galera."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from abaca.db.tables.base import metadata

schema_revisions = Table(
    "schema_revisions",
    metadata,
    Column("revision", String(32), primary_key=True),
    # The oldest revision whose code may run beside this one.
    Column("compatible_from", String(32), nullable=False),
)

# Without rows: of transactions that insert and delete the same one, on different nodes of a
# Galera cluster, one is refused (`Tx.hold`).
holds = Table("holds", metadata, Column("name", String(320), primary_key=True))
