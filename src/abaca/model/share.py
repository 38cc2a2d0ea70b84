"""A share, its instances, and where it is mounted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from abaca.states import AccessRulesStatus, ShareStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareInstance:
    """One copy of a share on one backend; the primary one speaks for the share."""

    id: str
    share_id: str
    status: ShareStatus
    access_rules_status: AccessRulesStatus
    progress: str | None
    host: str | None
    """``host@backend``; None until it is placed."""
    pool: str | None
    availability_zone: str | None
    share_server_id: str | None
    export_id: int | None
    wanted_size: int
    """GiB; differs from the share's size while a resize is under way."""
    revert_to: str | None
    """Snapshot ID while a revert is wanted."""
    made: bool
    excluded: tuple[str, ...]
    """Backends (``host@backend``) that refused it."""
    created_at: datetime
    updated_at: datetime | None

    @property
    def lane(self) -> str:
        """For the task queue: what work on the share and its snapshots must not run beside."""
        return self.share_server_id or self.id

    @property
    def full_host(self) -> str | None:
        """``host@backend#pool``, as the API shows it."""
        return f"{self.host}#{self.pool}" if self.host else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its primary instance."""

    id: str
    project_id: str
    user_id: str | None
    name: str | None
    description: str | None
    size: int
    """GiB"""
    share_proto: str
    share_type_id: str
    share_network_id: str | None
    """What the client asked for."""
    effective_share_network_id: str | None
    """What was used."""
    snapshot_id: str | None
    is_public: bool
    request: Mapping[str, object]
    """What the scheduler was asked besides the type: zone, hints."""
    scheduled_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    instance: ShareInstance
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_soft_deleted: bool = False
    """In the recycle bin."""
    scheduled_to_be_deleted_at: datetime | None = None
    """When it leaves the recycle bin for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLocation:
    """``address:/path`` that a standard client mounts."""

    id: str
    share_instance_id: str
    path: str
    preferred: bool
    is_admin_only: bool
    created_at: datetime
    updated_at: datetime | None
