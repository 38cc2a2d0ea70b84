"""Addresses that others use, and when a pool became nearly full."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from abaca.db.tables.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
expand_only = True


def upgrade() -> None:
    """Apply it."""
    op.add_column("address_pools", sa.Column("filled_at", UtcDateTime(), nullable=True))
    op.add_column("addresses", sa.Column("tentative", sa.Boolean(), nullable=True))
    op.add_column("addresses", sa.Column("reason", sa.String(length=16), nullable=True))
    op.add_column("addresses", sa.Column("who", sa.String(length=255), nullable=True))
