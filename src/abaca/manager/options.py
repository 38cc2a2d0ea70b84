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
    sweep_seconds: float = 600.0
    """How often empty servers, and those that could not be removed, are looked at again."""
    audit_seconds: float = 3600.0
    """How often ledger and world are compared; 0: only when somebody asks."""
    first_audit_seconds: float = 60.0
    """How long after the start that is done first, unless it is due before."""
    confirm_seconds: float = 30.0
    """How long a difference must last before it is believed."""
    orphan_seconds: float = 3600.0
    """How old something unclaimed must be to be removed."""
