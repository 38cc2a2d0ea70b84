"""What versions 2.66 to 2.78 of the API need: nothing that is there changes its meaning.

Columns are added one by one, not by making a table anew as Alembic would on
SQLite: dropping the old one would take the rows that refer to it along.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from abaca.db.tables.base import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "security_services",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("dns_ip", sa.String(length=255), nullable=True),
        sa.Column("server", sa.String(length=255), nullable=True),
        sa.Column("domain", sa.String(length=255), nullable=True),
        sa.Column("ou", sa.String(length=255), nullable=True),
        sa.Column("user", sa.String(length=255), nullable=True),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("default_ad_site", sa.String(length=255), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_services")),
    )
    op.create_index(
        op.f("ix_security_services_project_id_created_at_id"),
        "security_services",
        ["project_id", "created_at", "id"],
        unique=False,
    )

    op.create_table(
        "share_network_security_services",
        sa.Column("share_network_id", sa.String(length=36), nullable=False),
        sa.Column("security_service_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["security_service_id"],
            ["security_services.id"],
            name=op.f("fk_share_network_security_services_security_service_id"),
        ),
        sa.ForeignKeyConstraint(
            ["share_network_id"],
            ["share_networks.id"],
            name=op.f("fk_share_network_security_services_share_network_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "share_network_id",
            "security_service_id",
            name=op.f("pk_share_network_security_services"),
        ),
        sa.UniqueConstraint(
            "share_network_id",
            "type",
            name=op.f("uq_share_network_security_services_share_network_id_type"),
        ),
    )
    op.create_index(
        op.f("ix_share_network_security_services_security_service_id"),
        "share_network_security_services",
        ["security_service_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_share_network_security_services_share_network_id"),
        "share_network_security_services",
        ["share_network_id"],
        unique=False,
    )

    op.create_table(
        "share_transfers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("share_id", sa.String(length=36), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["share_id"],
            ["shares.id"],
            name=op.f("fk_share_transfers_share_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_transfers")),
        sa.UniqueConstraint("share_id", name=op.f("uq_share_transfers_share_id")),
    )
    op.create_index(
        op.f("ix_share_transfers_project_id_created_at_id"),
        "share_transfers",
        ["project_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_share_transfers_share_id"), "share_transfers", ["share_id"], unique=False
    )

    op.create_table(
        "snapshot_metadata",
        sa.Column("snapshot_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.id"],
            name=op.f("fk_snapshot_metadata_snapshot_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "key", name=op.f("pk_snapshot_metadata")),
    )
    op.create_index(
        op.f("ix_snapshot_metadata_snapshot_id"), "snapshot_metadata", ["snapshot_id"], unique=False
    )

    op.add_column("share_servers", sa.Column("identifier", sa.String(length=255), nullable=True))
    op.add_column("share_servers", sa.Column("driver_options", sa.JSON(), nullable=True))
    op.add_column(
        "share_servers",
        sa.Column("is_auto_deletable", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    op.create_index(
        op.f("ix_share_servers_host_identifier"),
        "share_servers",
        ["host", "identifier"],
        unique=True,
    )

    op.add_column(
        "shares",
        sa.Column("is_soft_deleted", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("shares", sa.Column("scheduled_to_be_deleted_at", UtcDateTime(), nullable=True))
    op.create_index(
        op.f("ix_shares_scheduled_to_be_deleted_at"),
        "shares",
        ["scheduled_to_be_deleted_at"],
        unique=False,
    )
