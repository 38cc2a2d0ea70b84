"""What the database says of its own schema, for code that is older than it."""

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
