"""What can be set about a share manager."""

from __future__ import annotations

from dataclasses import dataclass, field

from abaca.work.worker import WorkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerOptions:
    """Times in seconds."""

    work: WorkOptions = field(default_factory=WorkOptions)
    share_server_idle_seconds: float = 0.0
    """How long a share server stays after its last share has gone."""
    report_seconds: float = 10.0
    """How often pools are reported, and the service shows that it lives."""
    supervise_seconds: float = 5.0
    """How often share servers are looked after."""
    audit_seconds: float = 600.0
    """How often plugins are asked to remove what nobody claims."""
    orphan_seconds: float = 3600.0
    """How old something unclaimed must be to be removed."""
