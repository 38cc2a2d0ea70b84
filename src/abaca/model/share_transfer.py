"""An offer of a share to whoever of another project has its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTransfer:
    """A transfer that was not taken up yet; of the key only a digest is kept."""

    id: str
    project_id: str
    """Who offers."""
    user_id: str | None
    name: str | None
    share_id: str
    key_hash: str = field(repr=False)
    expires_at: datetime
    created_at: datetime
    updated_at: datetime | None
