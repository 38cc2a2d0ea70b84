"""What a user is told about work that failed after it was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A user message."""

    id: str
    project_id: str
    request_id: str | None
    resource_type: str
    resource_id: str | None
    action_id: str
    detail_id: str
    message_level: str
    user_message: str
    expires_at: datetime
    created_at: datetime
