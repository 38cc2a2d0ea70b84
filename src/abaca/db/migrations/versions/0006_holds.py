"""What transactions on different nodes of a Galera cluster exclude each other by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
expand_only = True


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "holds",
        sa.Column("name", sa.String(length=320), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_holds")),
    )
