"""Share types, their extra specs, and who may use the private ones."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, PrimaryKeyConstraint, Table, Text

from abaca.db.tables.base import (
    Name,
    id_column,
    metadata,
    reference,
    revision_column,
    stamps,
)

share_types = Table(
    "share_types",
    metadata,
    id_column(),
    Column("name", Name, nullable=False, unique=True),
    Column("description", Text),
    Column("is_public", Boolean, nullable=False),
    # Of the row and its extra specs.
    revision_column(),
    *stamps(),
)

share_type_extra_specs = Table(
    "share_type_extra_specs",
    metadata,
    reference("share_type_id", "share_types.id", cascade=True),
    Column("key", Name, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("share_type_id", "key"),
)

share_type_projects = Table(
    "share_type_projects",
    metadata,
    reference("share_type_id", "share_types.id", cascade=True),
    Column("project_id", Name, nullable=False),
    PrimaryKeyConstraint("share_type_id", "project_id"),
)
