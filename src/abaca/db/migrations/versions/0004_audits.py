"""Audits: when each backend was compared with the ledger, and what was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from abaca.db.tables.base import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
expand_only = True


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "audits",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=True),
        sa.Column("wanted_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_audits")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.String(length=255), nullable=False),
        sa.Column("direction", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime(), nullable=True),
        sa.Column("repaired_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint(
            "host",
            "kind",
            "resource_id",
            "direction",
            name=op.f("uq_findings_host_kind_resource_id_direction"),
        ),
    )
    op.create_index(
        op.f("ix_findings_first_seen_id"), "findings", ["first_seen", "id"], unique=False
    )
