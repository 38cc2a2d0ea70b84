"""Projects, quotas, and the users of the `builtin` identity."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from abaca.db.tables.base import KeyPart, Name, UtcDateTime, id_column, metadata, reference, stamps

projects = Table(
    "projects",
    metadata,
    Column("id", Name, primary_key=True),
    # Null for a project of Keystone's, seen here only for its quota.
    Column("name", Name, unique=True),
    Column("description", Text),
    Column("enabled", Boolean, nullable=False, default=True),
    # Updated first by every transaction that counts this project's quota: counting
    # and inserting would overshoot on PostgreSQL and Galera otherwise.
    Column("version", Integer, nullable=False, default=0),
    *stamps(),
)

quotas = Table(
    "quotas",
    metadata,
    Column("project_id", KeyPart, primary_key=True),
    # Empty where the limit is the project's own.
    Column("user_id", KeyPart, primary_key=True),
    Column("share_type_id", KeyPart, primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("hard_limit", Integer, nullable=False),
)

quota_classes = Table(
    "quota_classes",
    metadata,
    Column("class_name", Name, primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("hard_limit", Integer, nullable=False),
)

users = Table(
    "users",
    metadata,
    id_column(),
    Column("name", Name, nullable=False, unique=True),
    Column("password_hash", String(512)),
    Column("enabled", Boolean, nullable=False, default=True),
    # Tokens issued before this are refused.
    Column("tokens_valid_from", UtcDateTime),
    *stamps(),
)

role_assignments = Table(
    "role_assignments",
    metadata,
    reference("user_id", "users.id", cascade=True),
    Column("project_id", Name, nullable=False),
    Column("role", String(64), nullable=False),
    UniqueConstraint("user_id", "project_id", "role"),
)

application_credentials = Table(
    "application_credentials",
    metadata,
    id_column(),
    Column("name", Name, nullable=False),
    reference("user_id", "users.id", cascade=True),
    Column("project_id", Name, nullable=False),
    Column("secret_hash", String(512), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("expires_at", UtcDateTime),
    *stamps(),
    UniqueConstraint("user_id", "name"),
)

# Tokens given back before they expired; rows go once they would have expired anyway.
revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("audit_id", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
