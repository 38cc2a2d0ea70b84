"""How often what a share shows has changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
expand_only = True


def upgrade() -> None:
    """Apply it."""
    for table in ("share_instances", "share_types", "shares"):
        op.add_column(
            table, sa.Column("revision", sa.Integer(), server_default="0", nullable=False)
        )
