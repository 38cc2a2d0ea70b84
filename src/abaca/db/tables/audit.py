"""Audits: where ledger and world differ, by backend, and when that was looked at."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text, UniqueConstraint

from abaca.db.tables.base import Name, UtcDateTime, id_column, metadata

audits = Table(
    "audits",
    metadata,
    Column("host", Name, primary_key=True),  # host@backend
    # What an administrator asked for; null once it is done.
    Column("wanted", String(16)),
    Column("wanted_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
)

findings = Table(
    "findings",
    metadata,
    id_column(),
    Column("host", Name, nullable=False),  # host@backend
    Column("kind", String(32), nullable=False),
    # The ledger's ID, or what the thing is called in the world.
    Column("resource_id", Name, nullable=False),
    Column("direction", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    # Null until a second look has seen it too: before, it may be work in progress.
    Column("confirmed_at", UtcDateTime),
    Column("repaired_at", UtcDateTime),
    UniqueConstraint("host", "kind", "resource_id", "direction"),
    Index(None, "first_seen", "id"),
)
