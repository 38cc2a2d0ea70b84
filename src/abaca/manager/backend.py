"""A backend as a share manager has it: its driver, its network, its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abaca.drivers.driver import Driver
from abaca.modes import DriverMode
from abaca.network.plugin import NetworkPlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendNetwork:
    """A network section as a backend uses it."""

    section: str
    mode: DriverMode
    plugin: NetworkPlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One configured backend, ready to work."""

    name: str
    host: str
    """``host@backend``: what its shares, servers and tasks are recorded under."""
    mode: DriverMode
    driver: Driver
    plugin: NetworkPlugin | None
    """None in single_svm, and only there; backends that name one section may share one."""
    network_section: str | None
    availability_zone: str
    admin: BackendNetwork | None = None
    """The administrators' network: flat, with an address for each share server. Often none."""
    capabilities: Mapping[str, str | bool | float] = field(default_factory=dict)
    """What it reports besides what its pools do: ``share_backend_name`` and the like."""

    @property
    def node(self) -> str:
        """The host without the backend."""
        return self.host.partition("@")[0]

    @property
    def networks(self) -> tuple[BackendNetwork, ...]:
        """Every network that it gives addresses of; none in single_svm."""
        if self.plugin is None or self.network_section is None:
            return ()
        tenants = BackendNetwork(section=self.network_section, mode=self.mode, plugin=self.plugin)
        return (tenants,) if self.admin is None else (tenants, self.admin)
