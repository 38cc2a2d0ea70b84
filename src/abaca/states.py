"""Statuses of every resource, as the API spells them, and which of them are in motion."""

from __future__ import annotations

from enum import StrEnum


class ShareStatus(StrEnum):
    """Status of a share, that is of its active instance."""

    CREATING = "creating"
    CREATING_FROM_SNAPSHOT = "creating_from_snapshot"
    AVAILABLE = "available"
    EXTENDING = "extending"
    EXTENDING_ERROR = "extending_error"
    SHRINKING = "shrinking"
    SHRINKING_ERROR = "shrinking_error"
    SHRINKING_POSSIBLE_DATA_LOSS = "shrinking_possible_data_loss_error"
    REVERTING = "reverting"
    REVERTING_ERROR = "reverting_error"
    AWAITING_TRANSFER = "awaiting_transfer"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"

    @property
    def in_motion(self) -> bool:
        """True while a task is expected to move it on."""
        return self in _MOVING


_MOVING = frozenset(
    {
        ShareStatus.CREATING,
        ShareStatus.CREATING_FROM_SNAPSHOT,
        ShareStatus.EXTENDING,
        ShareStatus.SHRINKING,
        ShareStatus.REVERTING,
        ShareStatus.DELETING,
    }
)


class SnapshotStatus(StrEnum):
    """Status of a snapshot."""

    CREATING = "creating"
    AVAILABLE = "available"
    RESTORING = "restoring"
    DELETING = "deleting"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


class ServerStatus(StrEnum):
    """Status of a share server."""

    CREATING = "creating"
    ACTIVE = "active"
    DELETING = "deleting"
    ERROR = "error"
    MANAGE_STARTING = "manage_starting"
    MANAGE_ERROR = "manage_error"
    UNMANAGE_STARTING = "unmanage_starting"
    UNMANAGE_ERROR = "unmanage_error"

    @property
    def is_ours(self) -> bool:
        """False while the server is not Abaca's yet, or no longer: nothing is done to it."""
        return self not in _FOREIGN


_FOREIGN = frozenset(
    {
        ServerStatus.MANAGE_STARTING,
        ServerStatus.MANAGE_ERROR,
        ServerStatus.UNMANAGE_STARTING,
        ServerStatus.UNMANAGE_ERROR,
    }
)


class NetworkStatus(StrEnum):
    """Status of a share network."""

    ACTIVE = "active"
    ERROR = "error"
    DELETING = "deleting"
    """Gone for the API; the row waits for the last of its share servers."""


class AccessState(StrEnum):
    """State of one access rule."""

    QUEUED_TO_APPLY = "queued_to_apply"
    APPLYING = "applying"
    ACTIVE = "active"
    QUEUED_TO_DENY = "queued_to_deny"
    DENYING = "denying"
    ERROR = "error"


class AccessRulesStatus(StrEnum):
    """Whether the rules in force are the rules wanted (``access_rules_status`` of a share)."""

    ACTIVE = "active"
    SYNCING = "syncing"
    ERROR = "error"
