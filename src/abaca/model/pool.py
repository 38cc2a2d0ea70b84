"""Services and the pools that they report to the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from abaca.modes import DriverMode

NETWORK_IDS = ("neutron_net_id", "nova_net_id")
"""The fields by which a share network subnet names a network of the tenant's."""
NETWORK_IDS_CAPABILITY = "share_network_ids"
"""What a pool reports if its network plugin understands some of them only, with commas between."""


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

    @property
    def network_ids(self) -> frozenset[str]:
        """Those of `NETWORK_IDS` that its network plugin understands."""
        said = self.capabilities.get(NETWORK_IDS_CAPABILITY)
        return frozenset(said.split(",") if isinstance(said, str) else NETWORK_IDS)


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
    driver_error: str | None
    """Why the driver did not answer when last asked; None if it did."""
    network_error: str | None
    """The same of the network plugin."""
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityZone:
    """A failure domain, named by the backends that are in it."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime | None
