"""A configuration that has no faults, typed, as it is handed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from abaca.drivers.driver import Driver
from abaca.model.quota import Resource
from abaca.modes import DriverMode
from abaca.network.plugin import NetworkPlugin


class AuthStrategy(StrEnum):
    """Who says who is asking."""

    BUILTIN = "builtin"
    KEYSTONE = "keystone"
    HTTP_BASIC = "http_basic"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """What every process of this deployment on this host shares."""

    host: str
    state_path: Path
    database_url: str = field(repr=False)
    availability_zone: str
    log_level: str
    log_format: str
    metrics_listen: tuple[str, int] | None = None
    """Address and port of a listener for monitoring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """How the API listens, and whom it believes."""

    listen_address: str
    listen_port: int
    threads: int
    tls_cert: Path | None
    tls_key: Path | None
    trusted_proxy: tuple[str, ...]
    public_endpoint: str | None
    auth_strategy: AuthStrategy
    token_seconds: int
    none_project_id: str
    none_user_id: str
    none_role: str
    policy_file: str | None
    max_limit: int
    default_share_type: str | None
    default_share_network: str | None
    admin_only_metadata: tuple[str, ...]
    soft_deleted_seconds: int
    transfer_seconds: int
    quotas: Mapping[Resource, int]
    keystone: Mapping[str, object] = field(repr=False)
    """Options of [keystone_authtoken] that are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkConfig:
    """How share managers work."""

    workers: int
    lease_seconds: int
    task_deadline_seconds: int
    share_server_idle_seconds: int
    report_seconds: int
    supervise_seconds: int
    audit_seconds: int
    orphan_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """A network section: whose addresses the backends that name it give out."""

    section: str
    plugin_name: str
    plugin: type[NetworkPlugin]
    values: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """A backend section."""

    name: str
    host: str
    """``host@backend``: what its shares, servers and tasks are recorded under."""
    share_backend_name: str
    """What the scheduler matches; several backends may have the same."""
    availability_zone: str
    driver_name: str
    driver: type[Driver]
    mode: DriverMode
    network: NetworkConfig | None
    """None in single_svm, and only there."""
    admin_network: NetworkConfig | None = None
    """Administrators' own; served in flat_multi_svm, whatever the backend's mode."""
    values: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything, checked."""

    service: ServiceConfig
    api: ApiConfig
    work: WorkConfig
    backends: tuple[BackendConfig, ...]
    networks: Mapping[str, NetworkConfig]
    notes: tuple[str, ...] = ()
    """What was understood from other names, or is not used; one line each."""
