"""What old processes may run beside, why a backend is ill, and what callers call a request.

Columns are added one by one, as 0002 says why.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
# It only adds, but code before it refuses to start beside anything newer.
expand_only = False


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "schema_revisions",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("compatible_from", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_revisions")),
    )
    op.add_column("services", sa.Column("driver_error", sa.Text(), nullable=True))
    op.add_column("services", sa.Column("network_error", sa.Text(), nullable=True))
    op.add_column("tasks", sa.Column("global_request_id", sa.String(length=255), nullable=True))
