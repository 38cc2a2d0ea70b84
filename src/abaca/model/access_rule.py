"""Who may mount a share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from abaca.states import AccessState


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """One rule of one share."""

    id: str
    share_id: str
    access_type: str
    access_to: str
    access_level: str
    state: AccessState
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime | None
