"""${message.capitalize()}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from abaca.db.tables.base import UtcDateTime
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
# True: code that is one revision older may run beside this, and so may new code beside old:
# nothing goes away or is renamed, new columns are nullable or have a server default, and
# nothing is written into old columns that old code can't read. Then the upgrade is rolling.
expand_only = False


def upgrade() -> None:
    """Apply it."""
    ${upgrades if upgrades else "pass"}
