"""What a user is told about work that failed after it was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class MessageResource(StrEnum):
    """What a message is about (``resource_type``)."""

    SHARE = "SHARE"
    SHARE_SNAPSHOT = "SHARE_SNAPSHOT"
    SHARE_NETWORK = "SHARE_NETWORK"
    """Also of the share servers on it, whose IDs are for administrators."""
    SHARE_SERVER = "SHARE_SERVER"
    """In messages of former versions."""


class MessageLevel(StrEnum):
    """How bad it is; the API knows one level."""

    ERROR = "ERROR"


class ActionId(StrEnum):
    """What was being done (``action_id``), with the numbers that clients of this API know."""

    ALLOCATE_HOST = "001"
    CREATE = "002"
    DELETE_ACCESS_RULES = "003"
    UPDATE = "005"
    REVERT_TO_SNAPSHOT = "006"
    DELETE = "007"
    EXTEND = "008"
    SHRINK = "009"
    UPDATE_ACCESS_RULES = "010"

    @property
    def told(self) -> str:
        """What begins the message."""
        return self.name.replace("_", " ").lower()


class DetailId(StrEnum):
    """Why it failed (``detail_id``), with the numbers that clients of this API know."""

    UNKNOWN_ERROR = "001"
    NO_VALID_HOST = "002"
    NO_SHARE_SERVER = "004"
    DRIVER_FAILED_EXTEND = "015"
    DRIVER_FAILED_CREATING_FROM_SNAP = "017"
    DRIVER_REFUSED_SHRINK = "018"
    DRIVER_FAILED_SHRINK = "019"
    FORBIDDEN_CLIENT_ACCESS = "020"
    UNSUPPORTED_CLIENT_ACCESS = "021"
    SUBNET_FULL = "033"


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
