"""Initial schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from abaca.db.tables.base import KeyPart, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "address_gaps",
        sa.Column("pool", sa.String(length=255), nullable=False),
        sa.Column("first", sa.String(length=32), nullable=False),
        sa.Column("last", sa.String(length=32), nullable=False),
        sa.Column("freed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "first", name=op.f("pk_address_gaps")),
    )
    op.create_index(
        op.f("ix_address_gaps_pool_freed_at_first"),
        "address_gaps",
        ["pool", "freed_at", "first"],
        unique=False,
    )
    op.create_table(
        "address_pools",
        sa.Column("pool", sa.String(length=255), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pool", name=op.f("pk_address_pools")),
    )
    op.create_table(
        "addresses",
        sa.Column("pool", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("label", sa.String(length=16), nullable=True),
        sa.Column("subnet", sa.String(length=255), nullable=True),
        sa.Column("index", sa.Integer(), nullable=True),
        sa.Column("taken_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("pool", "address", name=op.f("pk_addresses")),
        sa.UniqueConstraint(
            "owner",
            "label",
            "subnet",
            "index",
            "pool",
            name=op.f("uq_addresses_owner_label_subnet_index_pool"),
        ),
    )
    op.create_table(
        "availability_zones",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_zones")),
        sa.UniqueConstraint("name", name=op.f("uq_availability_zones_name")),
    )
    op.create_table(
        "backend_exports",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("next_export_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_backend_exports")),
    )
    op.create_table(
        "made_networks",
        sa.Column("section", sa.String(length=255), nullable=False),
        sa.Column("subnet_key", sa.String(length=255), nullable=False),
        sa.Column("network_type", sa.String(length=32), nullable=False),
        sa.Column("segmentation_id", sa.Integer(), nullable=True),
        sa.Column("physical_network", sa.String(length=255), nullable=True),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("wire", sa.String(length=320), nullable=False),
        sa.Column("cidr", sa.String(length=64), nullable=False),
        sa.Column("second_cidr", sa.String(length=64), nullable=True),
        sa.Column("subnets", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("section", "subnet_key", name=op.f("pk_made_networks")),
        sa.UniqueConstraint("section", "cidr", name=op.f("uq_made_networks_section_cidr")),
        sa.UniqueConstraint(
            "section", "second_cidr", name=op.f("uq_made_networks_section_second_cidr")
        ),
        sa.UniqueConstraint("wire", name=op.f("uq_made_networks_wire")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=255), nullable=True),
        sa.Column("resource_type", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=36), nullable=True),
        sa.Column("action_id", sa.String(length=8), nullable=False),
        sa.Column("detail_id", sa.String(length=8), nullable=False),
        sa.Column("message_level", sa.String(length=16), nullable=False),
        sa.Column("user_message", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(op.f("ix_messages_project_id"), "messages", ["project_id"], unique=False)
    op.create_index(op.f("ix_messages_resource_id"), "messages", ["resource_id"], unique=False)
    op.create_table(
        "pools",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("backend", sa.String(length=255), nullable=False),
        sa.Column("driver_mode", sa.String(length=32), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=False),
        sa.Column("protocols", sa.JSON(), nullable=False),
        sa.Column("makes_networks", sa.Boolean(), nullable=False),
        sa.Column("total_gib", sa.Float(precision=53), nullable=False),
        sa.Column("free_gib", sa.Float(precision=53), nullable=False),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reported_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("host", "name", name=op.f("pk_pools")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
    )
    op.create_table(
        "quota_classes",
        sa.Column("class_name", sa.String(length=255), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("hard_limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("class_name", "resource", name=op.f("pk_quota_classes")),
    )
    op.create_table(
        "quotas",
        sa.Column("project_id", KeyPart, nullable=False),
        sa.Column("user_id", KeyPart, nullable=False),
        sa.Column("share_type_id", KeyPart, nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("hard_limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "user_id", "share_type_id", "resource", name=op.f("pk_quotas")
        ),
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("audit_id", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_revoked_tokens")),
    )
    op.create_index(
        op.f("ix_revoked_tokens_expires_at"), "revoked_tokens", ["expires_at"], unique=False
    )
    op.create_table(
        "segments",
        sa.Column("section", sa.String(length=255), nullable=False),
        sa.Column("subnet_key", sa.String(length=255), nullable=False),
        sa.Column("network_type", sa.String(length=32), nullable=False),
        sa.Column("segmentation_id", sa.Integer(), nullable=True),
        sa.Column("physical_network", sa.String(length=255), nullable=True),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("subnets", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("section", "subnet_key", name=op.f("pk_segments")),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("binary", sa.String(length=255), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(length=255), nullable=True),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        sa.UniqueConstraint("host", "binary", name=op.f("uq_services_host_binary")),
    )
    op.create_table(
        "share_networks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("default_slot", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_networks")),
        sa.UniqueConstraint("default_slot", name=op.f("uq_share_networks_default_slot")),
    )
    op.create_index(
        op.f("ix_share_networks_project_id_created_at_id"),
        "share_networks",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "share_types",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_types")),
        sa.UniqueConstraint("name", name=op.f("uq_share_types_name")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.String(length=36), nullable=False),
        sa.Column("queue", sa.String(length=255), nullable=True),
        sa.Column("lane", sa.String(length=255), nullable=False),
        sa.Column("running_lane", sa.String(length=255), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=255), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.Column("deadline", UtcDateTime(), nullable=False),
        sa.Column("lease_epoch", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.Float(precision=53), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=255), nullable=True),
        sa.Column("project_id", sa.String(length=255), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("step_since", UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("kind", "resource_id", name=op.f("uq_tasks_kind_resource_id")),
        sa.UniqueConstraint("running_lane", name=op.f("uq_tasks_running_lane")),
    )
    op.create_index(op.f("ix_tasks_queue"), "tasks", ["queue"], unique=False)
    op.create_table(
        "tenant_networks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("network_type", sa.String(length=32), nullable=False),
        sa.Column("segmentation_id", sa.Integer(), nullable=True),
        sa.Column("physical_network", sa.String(length=255), nullable=True),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("subnets", sa.JSON(), nullable=False),
        sa.Column("allocation_ranges", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant_networks")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_tenant_networks_project_id_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.String(length=512), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("tokens_valid_from", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "application_credentials",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=512), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_application_credentials_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application_credentials")),
        sa.UniqueConstraint(
            "user_id", "name", name=op.f("uq_application_credentials_user_id_name")
        ),
    )
    op.create_index(
        op.f("ix_application_credentials_user_id"),
        "application_credentials",
        ["user_id"],
        unique=False,
    )
    op.create_table(
        "role_assignments",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_role_assignments_user_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "user_id",
            "project_id",
            "role",
            name=op.f("uq_role_assignments_user_id_project_id_role"),
        ),
    )
    op.create_index(
        op.f("ix_role_assignments_user_id"), "role_assignments", ["user_id"], unique=False
    )
    op.create_table(
        "share_network_subnets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("share_network_id", sa.String(length=36), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("neutron_net_id", sa.String(length=255), nullable=True),
        sa.Column("neutron_subnet_id", sa.String(length=255), nullable=True),
        sa.Column("nova_net_id", sa.String(length=255), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_network_id"],
            ["share_networks.id"],
            name=op.f("fk_share_network_subnets_share_network_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_network_subnets")),
    )
    op.create_index(
        op.f("ix_share_network_subnets_share_network_id"),
        "share_network_subnets",
        ["share_network_id"],
        unique=False,
    )
    op.create_table(
        "share_servers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", KeyPart, nullable=False),
        sa.Column("share_network_id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("availability_zone", sa.String(length=255), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("next_export_id", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("unused_since", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_network_id"],
            ["share_networks.id"],
            name=op.f("fk_share_servers_share_network_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_servers")),
        sa.UniqueConstraint(
            "host",
            "project_id",
            "share_network_id",
            "availability_zone",
            "slot",
            name=op.f("uq_share_servers_host_project_id_share_network_id_availability_zone_slot"),
        ),
    )
    op.create_index(
        op.f("ix_share_servers_share_network_id"),
        "share_servers",
        ["share_network_id"],
        unique=False,
    )
    op.create_table(
        "share_type_extra_specs",
        sa.Column("share_type_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["share_type_id"],
            ["share_types.id"],
            name=op.f("fk_share_type_extra_specs_share_type_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("share_type_id", "key", name=op.f("pk_share_type_extra_specs")),
    )
    op.create_index(
        op.f("ix_share_type_extra_specs_share_type_id"),
        "share_type_extra_specs",
        ["share_type_id"],
        unique=False,
    )
    op.create_table(
        "share_type_projects",
        sa.Column("share_type_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["share_type_id"],
            ["share_types.id"],
            name=op.f("fk_share_type_projects_share_type_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("share_type_id", "project_id", name=op.f("pk_share_type_projects")),
    )
    op.create_index(
        op.f("ix_share_type_projects_share_type_id"),
        "share_type_projects",
        ["share_type_id"],
        unique=False,
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("share_proto", sa.String(length=16), nullable=False),
        sa.Column("share_type_id", sa.String(length=36), nullable=False),
        sa.Column("share_network_id", sa.String(length=36), nullable=True),
        sa.Column("effective_share_network_id", sa.String(length=36), nullable=True),
        sa.Column("snapshot_id", sa.String(length=36), nullable=True),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("scheduled_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["effective_share_network_id"],
            ["share_networks.id"],
            name=op.f("fk_shares_effective_share_network_id"),
        ),
        sa.ForeignKeyConstraint(
            ["share_network_id"], ["share_networks.id"], name=op.f("fk_shares_share_network_id")
        ),
        sa.ForeignKeyConstraint(
            ["share_type_id"], ["share_types.id"], name=op.f("fk_shares_share_type_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
    )
    op.create_index(op.f("ix_shares_created_at_id"), "shares", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_shares_effective_share_network_id"),
        "shares",
        ["effective_share_network_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_shares_project_id_created_at_id"),
        "shares",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_shares_share_network_id"), "shares", ["share_network_id"], unique=False
    )
    op.create_index(op.f("ix_shares_share_type_id"), "shares", ["share_type_id"], unique=False)
    op.create_table(
        "access_rules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("access_type", sa.String(length=16), nullable=False),
        sa.Column("access_to", sa.String(length=255), nullable=False),
        sa.Column("access_level", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_id"], ["shares.id"], name=op.f("fk_access_rules_share_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_rules")),
        sa.UniqueConstraint(
            "share_id",
            "access_type",
            "access_to",
            name=op.f("uq_access_rules_share_id_access_type_access_to"),
        ),
    )
    op.create_index(op.f("ix_access_rules_share_id"), "access_rules", ["share_id"], unique=False)
    op.create_table(
        "allocations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("share_server_id", sa.String(length=36), nullable=False),
        sa.Column("section", sa.String(length=255), nullable=False),
        sa.Column("subnet_key", sa.String(length=255), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("plugin_id", sa.String(length=255), nullable=True),
        sa.Column("addresses", sa.JSON(), nullable=True),
        sa.Column("mac_address", sa.String(length=32), nullable=True),
        sa.Column("segment", sa.JSON(), nullable=True),
        sa.Column("leaving", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_server_id"], ["share_servers.id"], name=op.f("fk_allocations_share_server_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocations")),
        sa.UniqueConstraint(
            "share_server_id",
            "section",
            "subnet_key",
            "label",
            "index",
            name=op.f("uq_allocations_share_server_id_section_subnet_key_label_index"),
        ),
    )
    op.create_index(
        op.f("ix_allocations_share_server_id"), "allocations", ["share_server_id"], unique=False
    )
    op.create_table(
        "share_instances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("primary_slot", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=48), nullable=False),
        sa.Column("access_rules_status", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.String(length=8), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("pool", sa.String(length=255), nullable=True),
        sa.Column("availability_zone", sa.String(length=255), nullable=True),
        sa.Column("share_server_id", sa.String(length=36), nullable=True),
        sa.Column("export_id", sa.Integer(), nullable=True),
        sa.Column("wanted_size", sa.Integer(), nullable=False),
        sa.Column("revert_to", sa.String(length=36), nullable=True),
        sa.Column("made", sa.Boolean(), nullable=False),
        sa.Column("excluded", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_id"],
            ["shares.id"],
            name=op.f("fk_share_instances_share_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["share_server_id"],
            ["share_servers.id"],
            name=op.f("fk_share_instances_share_server_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_instances")),
        sa.UniqueConstraint(
            "host",
            "share_server_id",
            "export_id",
            name=op.f("uq_share_instances_host_share_server_id_export_id"),
        ),
        sa.UniqueConstraint(
            "share_id", "primary_slot", name=op.f("uq_share_instances_share_id_primary_slot")
        ),
    )
    op.create_index(op.f("ix_share_instances_host"), "share_instances", ["host"], unique=False)
    op.create_index(
        op.f("ix_share_instances_share_id"), "share_instances", ["share_id"], unique=False
    )
    op.create_index(
        op.f("ix_share_instances_share_server_id"),
        "share_instances",
        ["share_server_id"],
        unique=False,
    )
    op.create_table(
        "share_metadata",
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["share_id"], ["shares.id"], name=op.f("fk_share_metadata_share_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("share_id", "key", name=op.f("pk_share_metadata")),
    )
    op.create_index(
        op.f("ix_share_metadata_share_id"), "share_metadata", ["share_id"], unique=False
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=True),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("share_size", sa.Integer(), nullable=False),
        sa.Column("share_proto", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["share_id"], ["shares.id"], name=op.f("fk_snapshots_share_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
    )
    op.create_index(
        op.f("ix_snapshots_project_id_created_at_id"),
        "snapshots",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_snapshots_share_id"), "snapshots", ["share_id"], unique=False)
    op.create_table(
        "export_locations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("share_instance_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("preferred", sa.Boolean(), nullable=False),
        sa.Column("is_admin_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_instance_id"],
            ["share_instances.id"],
            name=op.f("fk_export_locations_share_instance_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_locations")),
    )
    op.create_index(
        op.f("ix_export_locations_share_instance_id"),
        "export_locations",
        ["share_instance_id"],
        unique=False,
    )
    op.create_table(
        "snapshot_instances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("snapshot_id", sa.String(length=36), nullable=False),
        sa.Column("share_instance_id", sa.String(length=36), nullable=False),
        sa.Column("primary_slot", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("progress", sa.String(length=8), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_instance_id"],
            ["share_instances.id"],
            name=op.f("fk_snapshot_instances_share_instance_id"),
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name=op.f("fk_snapshot_instances_snapshot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot_instances")),
        sa.UniqueConstraint(
            "snapshot_id",
            "primary_slot",
            name=op.f("uq_snapshot_instances_snapshot_id_primary_slot"),
        ),
    )
    op.create_index(
        op.f("ix_snapshot_instances_share_instance_id"),
        "snapshot_instances",
        ["share_instance_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_snapshot_instances_snapshot_id"),
        "snapshot_instances",
        ["snapshot_id"],
        unique=False,
    )
