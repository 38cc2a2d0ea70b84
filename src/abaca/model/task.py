"""Work that was accepted and is not finished."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TaskKind(StrEnum):
    """What the resource of a task is: a handler looks at its row and makes the difference."""

    SHARE = "share"
    """Resource: a share instance."""
    SHARE_SERVER = "share_server"
    SNAPSHOT = "snapshot"
    """Resource: a snapshot instance."""
    AUDIT = "audit"
    """Resource: a backend, by an ID made of its name (`abaca.share.audits`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One live task: at most one per resource."""

    id: str
    kind: TaskKind
    resource_id: str
    queue: str | None
    """``host@backend`` whose workers may take it; None for any."""
    lane: str
    """Tasks of one lane never run at the same time."""
    running_lane: str | None
    generation: int
    step: str | None
    step_since: datetime | None
    attempts: int
    due_at: float
    deadline: datetime
    lease_epoch: str | None
    lease_until: float | None
    lease_token: int
    worker: str | None
    request_id: str | None
    global_request_id: str | None
    """What the caller calls the request, across services."""
    project_id: str | None
    started_at: datetime | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime | None
