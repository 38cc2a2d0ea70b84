"""A snapshot of a share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from abaca.states import SnapshotStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInstance:
    """The snapshot of one share instance."""

    id: str
    snapshot_id: str
    share_instance_id: str
    status: SnapshotStatus
    progress: str | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot with its primary instance."""

    id: str
    project_id: str
    user_id: str | None
    share_id: str
    name: str | None
    description: str | None
    size: int
    """GiB that it counts in the quota."""
    share_size: int
    """GiB of the share when it was taken."""
    share_proto: str
    created_at: datetime
    updated_at: datetime | None
    instance: SnapshotInstance
    metadata: Mapping[str, str] = field(default_factory=dict)
