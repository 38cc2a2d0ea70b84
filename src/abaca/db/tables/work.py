"""Tasks, the services that work on them, pools, availability zones, and user messages."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from abaca.db.tables.base import Id, Name, UtcDateTime, id_column, metadata, stamps

tasks = Table(
    "tasks",
    metadata,
    id_column(),
    Column("kind", String(32), nullable=False),
    Column("resource_id", Id, nullable=False),
    # host@backend whose workers may take it; null: any manager.
    Column("queue", Name, index=True),
    # Tasks of one lane never run at the same time; set to lane while running, else null.
    Column("lane", Name, nullable=False),
    Column("running_lane", Name, unique=True),
    # Bumped by each request during the work: finishing compares, and goes again.
    Column("generation", Integer, nullable=False),
    Column("step", Name),
    Column("attempts", Integer, nullable=False),
    # Seconds since the epoch of the lease clock (`abaca.db.clock`).
    Column("due_at", Float(53), nullable=False),
    Column("deadline", UtcDateTime, nullable=False),
    Column("lease_epoch", Name),
    Column("lease_until", Float(53)),
    # Grows with each claim: the fencing token.
    Column("lease_token", BigInteger, nullable=False, default=0),
    Column("worker", Name),
    Column("request_id", Name),
    # What the caller calls it, across services.
    Column("global_request_id", Name),
    Column("project_id", Name),
    Column("started_at", UtcDateTime),
    Column("step_since", UtcDateTime),
    Column("last_error", Text),
    *stamps(),
    # At most one live task per resource.
    UniqueConstraint("kind", "resource_id"),
)

services = Table(
    "services",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("host", Name, nullable=False),
    Column("binary", Name, nullable=False),
    Column("availability_zone", Name, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("disabled_reason", Name),
    Column("seen_at", UtcDateTime, nullable=False),
    # Why its driver, or its network plugin, did not answer when last asked; null if it did.
    Column("driver_error", Text),
    Column("network_error", Text),
    *stamps(),
    UniqueConstraint("host", "binary"),
)

pools = Table(
    "pools",
    metadata,
    Column("host", Name, primary_key=True),  # host@backend
    Column("name", Name, primary_key=True),
    Column("backend", Name, nullable=False),
    Column("driver_mode", String(32), nullable=False),
    Column("availability_zone", Name, nullable=False),
    Column("protocols", JSON, nullable=False),
    # True if its network plugin serves a share network without any network ID.
    Column("makes_networks", Boolean, nullable=False),
    Column("total_gib", Float(53), nullable=False),
    Column("free_gib", Float(53), nullable=False),
    Column("capabilities", JSON, nullable=False),
    # Bumped by each placement: two at once can't both take the last room.
    Column("version", Integer, nullable=False, default=0),
    Column("reported_at", UtcDateTime, nullable=False),
)

availability_zones = Table(
    "availability_zones",
    metadata,
    id_column(),
    Column("name", Name, nullable=False, unique=True),
    *stamps(),
)

messages = Table(
    "messages",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False, index=True),
    Column("request_id", Name),
    Column("resource_type", String(64), nullable=False),
    Column("resource_id", Id, index=True),
    Column("action_id", String(8), nullable=False),
    Column("detail_id", String(8), nullable=False),
    Column("message_level", String(16), nullable=False),
    Column("user_message", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    *stamps(),
)
