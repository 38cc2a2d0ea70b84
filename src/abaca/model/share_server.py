"""A share server: one per backend, project, share network and availability zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from abaca.states import ServerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareServer:
    """A share server."""

    id: str
    project_id: str
    share_network_id: str
    host: str
    """``host@backend``"""
    availability_zone: str
    slot: int | None
    """0 on the one that takes shares, None once it is on its way out."""
    status: ServerStatus
    details: Mapping[str, str]
    unused_since: datetime | None
    created_at: datetime
    updated_at: datetime | None
    identifier: str | None = None
    """What its backend calls it, if it was adopted; None: by its ID."""
    driver_options: Mapping[str, str] | None = None
    """What its driver was told when it was adopted."""
    is_auto_deletable: bool = True
    """False: it stays without shares until somebody asks for its removal."""
