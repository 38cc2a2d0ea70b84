"""Services and the pools that they report to the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from abaca.modes import DriverMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A place for shares, as last reported."""

    host: str
    """``host@backend``"""
    name: str
    backend: str
    driver_mode: DriverMode
    availability_zone: str
    protocols: tuple[str, ...]
    makes_networks: bool
    total_gib: float
    free_gib: float
    capabilities: Mapping[str, str | bool | float]
    version: int
    reported_at: datetime

    @property
    def full_name(self) -> str:
        """``host@backend#pool``."""
        return f"{self.host}#{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A process that does work: a share manager of one backend, or an API."""

    id: int
    host: str
    binary: str
    availability_zone: str
    disabled: bool
    disabled_reason: str | None
    seen_at: datetime
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityZone:
    """A failure domain, named by the backends that are in it."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime | None
