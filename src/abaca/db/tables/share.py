"""Shares and their instances, export locations, access rules, snapshots, share servers."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from abaca.db.tables.base import (
    Id,
    KeyPart,
    Name,
    UtcDateTime,
    id_column,
    metadata,
    reference,
    revision_column,
    stamps,
)

share_servers = Table(
    "share_servers",
    metadata,
    id_column(),
    Column("project_id", KeyPart, nullable=False),
    reference("share_network_id", "share_networks.id"),
    Column("host", Name, nullable=False),  # host@backend
    Column("availability_zone", Name, nullable=False),
    # 0 on the one that takes shares; null once it is on its way out.
    Column("slot", Integer),
    Column("status", String(32), nullable=False),
    Column("next_export_id", Integer, nullable=False, default=1),
    Column("details", JSON, nullable=False, default=dict),
    # Since when nothing is on it; removal waits from here.
    Column("unused_since", UtcDateTime),
    # What the backend calls a server that was adopted; null for one that Abaca made.
    Column("identifier", Name),
    Column("driver_options", JSON),
    # False for one that was adopted: it is removed only when somebody asks for it.
    Column("is_auto_deletable", Boolean, nullable=False, default=True, server_default=true()),
    *stamps(),
    UniqueConstraint("host", "project_id", "share_network_id", "availability_zone", "slot"),
    Index(None, "host", "identifier", unique=True),
)

shares = Table(
    "shares",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name),
    Column("name", Name),
    Column("description", Text),
    Column("size", Integer, nullable=False),
    Column("share_proto", String(16), nullable=False),
    reference("share_type_id", "share_types.id"),
    # What the client asked for, and what was used.
    reference("share_network_id", "share_networks.id", nullable=True),
    reference("effective_share_network_id", "share_networks.id", nullable=True),
    # The snapshot it was made from; no foreign key, since the snapshot may go first.
    Column("snapshot_id", Id),
    Column("is_public", Boolean, nullable=False),
    # What the scheduler was asked besides the type: a requested zone, hints.
    Column("request", JSON, nullable=False, default=dict),
    Column("scheduled_at", UtcDateTime),
    # In the recycle bin, until then.
    Column("is_soft_deleted", Boolean, nullable=False, default=False, server_default=false()),
    Column("scheduled_to_be_deleted_at", UtcDateTime, index=True),
    # Of the row and its metadata.
    revision_column(),
    *stamps(),
    Index(None, "project_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)

share_metadata = Table(
    "share_metadata",
    metadata,
    reference("share_id", "shares.id", cascade=True),
    Column("key", Name, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("share_id", "key"),
)

share_instances = Table(
    "share_instances",
    metadata,
    id_column(),
    reference("share_id", "shares.id", cascade=True),
    # 1 on the instance that speaks for the share, null on replicas and migration targets.
    Column("primary_slot", Integer),
    Column("status", String(48), nullable=False),
    Column("access_rules_status", String(16), nullable=False),
    Column("progress", String(8)),
    # host@backend and pool; null until it is placed.
    Column("host", Name, index=True),
    Column("pool", Name),
    Column("availability_zone", Name),
    reference("share_server_id", "share_servers.id", nullable=True),
    Column("export_id", Integer),
    # What is wanted, where it differs from what is.
    Column("wanted_size", Integer, nullable=False),
    Column("revert_to", Id),
    # True once the driver has made it: a later failure must not throw it away.
    Column("made", Boolean, nullable=False, default=False),
    # Backends (host@backend) that refused it.
    Column("excluded", JSON, nullable=False, default=list),
    revision_column(),
    *stamps(),
    UniqueConstraint("share_id", "primary_slot"),
    UniqueConstraint("host", "share_server_id", "export_id"),
)

export_locations = Table(
    "export_locations",
    metadata,
    id_column(),
    reference("share_instance_id", "share_instances.id", cascade=True),
    Column("path", String(1024), nullable=False),
    Column("preferred", Boolean, nullable=False),
    Column("is_admin_only", Boolean, nullable=False),
    *stamps(),
)

access_rules = Table(
    "access_rules",
    metadata,
    id_column(),
    reference("share_id", "shares.id", cascade=True),
    Column("access_type", String(16), nullable=False),
    Column("access_to", Name, nullable=False),
    Column("access_level", String(8), nullable=False),
    Column("state", String(24), nullable=False),
    Column("metadata", JSON, nullable=False, default=dict),
    *stamps(),
    UniqueConstraint("share_id", "access_type", "access_to"),
)

snapshots = Table(
    "snapshots",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name),
    reference("share_id", "shares.id"),
    Column("name", Name),
    Column("description", Text),
    Column("size", Integer, nullable=False),
    Column("share_size", Integer, nullable=False),
    Column("share_proto", String(16), nullable=False),
    *stamps(),
    Index(None, "project_id", "created_at", "id"),
)

snapshot_metadata = Table(
    "snapshot_metadata",
    metadata,
    reference("snapshot_id", "snapshots.id", cascade=True),
    Column("key", Name, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("snapshot_id", "key"),
)

snapshot_instances = Table(
    "snapshot_instances",
    metadata,
    id_column(),
    reference("snapshot_id", "snapshots.id", cascade=True),
    reference("share_instance_id", "share_instances.id"),
    Column("primary_slot", Integer),
    Column("status", String(32), nullable=False),
    Column("progress", String(8)),
    *stamps(),
    UniqueConstraint("snapshot_id", "primary_slot"),
)

# Offers of a share to whoever of another project has the key; gone once taken up.
share_transfers = Table(
    "share_transfers",
    metadata,
    id_column(),
    Column("project_id", Name, nullable=False),
    Column("user_id", Name),
    Column("name", Name),
    reference("share_id", "shares.id", cascade=True),
    Column("key_hash", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    *stamps(),
    UniqueConstraint("share_id"),
    Index(None, "project_id", "created_at", "id"),
)

# single_svm has no share server row to count export IDs on.
backend_exports = Table(
    "backend_exports",
    metadata,
    Column("host", Name, primary_key=True),
    Column("next_export_id", Integer, nullable=False),
)
