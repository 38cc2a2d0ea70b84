"""Every option of Abaca's own; drivers and network plugins declare theirs beside their code.

Old names are those that the same thing has in a manila.conf.
"""

from __future__ import annotations

import socket

from oslo_config import cfg

from abaca.config.model import AuthStrategy
from abaca.model.quota import DEFAULT_LIMITS, Resource
from abaca.modes import DriverMode


def _old(*names: str) -> list[cfg.DeprecatedOpt]:
    """Names that the option has elsewhere, ``section.option`` or just ``option``."""
    pairs = [name.rpartition(".") for name in names]
    return [cfg.DeprecatedOpt(name, section or None) for section, _, name in pairs]


SERVICE: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "host",
        default=socket.gethostname(),
        sample_default="<this host's name>",
        help="Name of this host in the database. Shares are recorded under host@backend: "
        "changing it makes them nobody's.",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/abaca",
        help="Directory for the embedded database, keys, and small run-time state. "
        "On a disk that survives a reboot.",
    ),
    cfg.StrOpt(
        "storage_availability_zone",
        default="nova",
        help="Availability zone of backends that name none.",
    ),
    cfg.StrOpt(
        "log_level",
        default="INFO",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        ignore_case=True,
        help="Least severe events that are logged, to standard error.",
    ),
    cfg.StrOpt(
        "log_format",
        default="auto",
        choices=[
            ("auto", "text on a terminal, else json"),
            ("text", "for people"),
            ("json", "one object per line"),
        ],
        help="Form of log lines.",
    ),
    cfg.StrOpt(
        "metrics_listen",
        help="ADDRESS:PORT on which this process answers /metrics and /healthcheck with all "
        "details, without asking who calls: an address that only monitoring reaches. Each process "
        "needs a port of its own; port 0 is any free one, printed at start. By default none; on "
        "the API's own port they are for administrators' tokens.",
        sample_default="127.0.0.1:8787",
    ),
    cfg.ListOpt(
        "enabled_share_backends",
        default=[],
        help="The backends of this host: names of sections of this file.",
        sample_default="cluster1, cluster2",
    ),
)

API: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "listen_address",
        default="127.0.0.1",
        help="Address that the API listens on. `builtin` and `http_basic` refuse to listen beyond "
        "loopback without TLS, unless trusted_proxy is set; `none` always does.",
        deprecated_opts=_old("osapi_share_listen"),
    ),
    cfg.PortOpt(
        "listen_port",
        default=8786,
        min=0,
        help="TCP port that the API listens on; 0: any free one, printed at start.",
        deprecated_opts=_old("osapi_share_listen_port"),
    ),
    cfg.IntOpt("api_threads", default=16, min=1, help="Requests that are answered at a time."),
    cfg.StrOpt("tls_cert", help="Certificate chain (PEM) of the API. With tls_key: HTTPS."),
    cfg.StrOpt("tls_key", help="Private key (PEM) of the API."),
    cfg.ListOpt(
        "trusted_proxy",
        default=[],
        help="Addresses of proxies that end TLS in front of the API, and whose X-Forwarded headers "
        "are believed.",
        sample_default="10.0.0.5",
    ),
    cfg.StrOpt(
        "public_endpoint",
        help="Base of the URLs in answers and in the catalog; by default as the client called.",
        sample_default="https://shares.example.org",
    ),
    cfg.StrOpt(
        "auth_strategy",
        default=AuthStrategy.BUILTIN.value,
        choices=[
            (
                AuthStrategy.BUILTIN.value,
                "users and projects of Abaca's own, with an Identity v3 API",
            ),
            (
                AuthStrategy.KEYSTONE.value,
                "tokens of Keystone, checked as [keystone_authtoken] says",
            ),
            (AuthStrategy.HTTP_BASIC.value, "the builtin users, by HTTP basic authentication"),
            (AuthStrategy.NONE.value, "everybody is none_user_id; on loopback only"),
        ],
        help="Who says who is asking.",
    ),
    cfg.IntOpt(
        "token_seconds", default=3600, min=60, max=86400, help="builtin: how long a token is valid."
    ),
    cfg.StrOpt("none_project_id", default="default", help="none: the project of every caller."),
    cfg.StrOpt("none_user_id", default="anonymous", help="none: the user that every caller is."),
    cfg.StrOpt("none_role", default="member", help="none: the role of every caller."),
    cfg.StrOpt(
        "policy_file",
        help="YAML file with policy rules that differ from the defaults in the code.",
        sample_default="/etc/abaca/policy.yaml",
        deprecated_opts=_old("oslo_policy.policy_file"),
    ),
    cfg.IntOpt(
        "max_limit",
        default=1000,
        min=1,
        help="Longest page of a list.",
        deprecated_opts=_old("osapi_max_limit"),
    ),
    cfg.ListOpt(
        "admin_only_metadata",
        default=["__affinity_same_host", "__affinity_different_host"],
        help="Keys of shares' metadata that only administrators set and unset.",
    ),
    cfg.IntOpt(
        "soft_deleted_share_retention_time",
        default=604_800,
        min=0,
        help="Seconds that a share stays in the recycle bin before it is removed.",
    ),
    cfg.IntOpt(
        "transfer_retention_time",
        default=300,
        min=1,
        help="Seconds for which a share is offered to another project, unless it is taken up.",
    ),
    cfg.StrOpt("default_share_type", help="Name of the share type of requests that name none."),
    cfg.StrOpt(
        "default_share_network",
        help="Name or ID of the public share network of requests that name none and need one. "
        "Read again on SIGHUP, with default_share_type and the quotas.",
        sample_default="lab-public",
    ),
)

DATABASE: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "connection",
        secret=True,
        help="SQLAlchemy URL of the database: SQLite, PostgreSQL (postgresql+psycopg://) or "
        "MariaDB/MySQL (mysql+pymysql://). By default abaca.sqlite in state_path.",
        sample_default="postgresql+psycopg://abaca:PASSWORD@db.example.org/abaca",
        deprecated_opts=_old("DEFAULT.sql_connection", "DEFAULT.database_connection"),
    ),
)

WORK: tuple[cfg.Opt, ...] = (
    cfg.IntOpt("task_workers", default=16, min=1, help="Tasks that a process works on at a time."),
    cfg.IntOpt(
        "lease_seconds",
        default=30,
        min=30,
        help="How long a task is a worker's before another may take it, should the worker be gone.",
    ),
    cfg.IntOpt(
        "task_deadline_seconds",
        default=1800,
        min=1,
        help="How long after its first attempt a task that fails for a passing reason is tried "
        "again. Then what it is about is in error.",
    ),
    cfg.IntOpt(
        "share_server_idle_seconds",
        default=0,
        min=0,
        help="How long a share server is kept after its last share has gone.",
    ),
    cfg.IntOpt("report_seconds", default=10, min=1, help="How often pools and services report."),
    cfg.IntOpt(
        "supervise_seconds", default=5, min=1, help="How often share servers are looked after."
    ),
    cfg.IntOpt(
        "audit_seconds",
        default=3600,
        min=0,
        help="How often what exists is compared with what should, besides soon after the start; "
        "0: only when an administrator asks for it.",
    ),
    cfg.IntOpt(
        "orphan_seconds",
        default=3600,
        min=60,
        help="How old something that nobody claims must be before it is removed.",
    ),
)

_QUOTA_HELP = {
    Resource.SHARES: "Shares of a project",
    Resource.GIGABYTES: "GiB in the shares of a project",
    Resource.PER_SHARE_GIGABYTES: "GiB of one share",
}

QUOTA: tuple[cfg.Opt, ...] = tuple(
    cfg.IntOpt(
        resource.value,
        default=limit,
        min=-1,
        help=f"{_QUOTA_HELP.get(resource, resource.replace('_', ' ').capitalize())}; -1: no limit.",
        deprecated_opts=_old(f"DEFAULT.quota_{resource}"),
    )
    for resource, limit in DEFAULT_LIMITS.items()
)

BACKEND: tuple[cfg.Opt, ...] = (
    cfg.StrOpt("share_driver", help="The driver: an entry point of abaca.share_drivers."),
    cfg.StrOpt(
        "driver_mode",
        help="Who owns share servers and connectivity. Required, and never guessed. single_svm: no "
        "share servers, the administrator has connected the backend. flat_multi_svm: a share "
        "server per project and share network, all on one flat network of the administrator's. "
        "managed_multi_svm: the same, each on its tenant's network, connected by Abaca.",
        sample_default=DriverMode.FLAT.value,
    ),
    cfg.StrOpt(
        "network_config_group",
        help="The multi modes: the network section whose addresses this backend gives out. "
        "Backends may share one, and then never give out the same address.",
        sample_default="flat1",
    ),
    cfg.StrOpt(
        "admin_network_config_group",
        help="The multi modes: a network section of the administrators'. Each share server gets "
        "an address of it too, and each share export locations that only administrators see. "
        "The network is a flat one, connected in advance, and no tenant is on it.",
        sample_default="admins",
    ),
    cfg.StrOpt(
        "availability_zone",
        help="By default storage_availability_zone.",
        deprecated_opts=_old("backend_availability_zone", "storage_availability_zone"),
    ),
    cfg.StrOpt(
        "backend_host",
        help="In place of `host`, for a backend that several hosts serve (not at once), so that it "
        "keeps its name when it moves.",
    ),
    cfg.StrOpt(
        "share_backend_name",
        help="What share types may ask for (extra spec share_backend_name). By default "
        "the section.",
    ),
)

NETWORK: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "network_plugin",
        help="The plugin: an entry point of abaca.network_plugins.",
        sample_default="standalone",
        deprecated_opts=_old("network_api_class"),
    ),
)

GROUPS: dict[str, tuple[cfg.Opt, ...]] = {
    "DEFAULT": (*SERVICE, *API, *WORK),
    "database": DATABASE,
    "quota": QUOTA,
}
"""The sections that always exist."""

PASSED_ON = frozenset({"keystone_authtoken"})
"""Sections that a library declares, and reads itself."""

OLD_PLUGINS = {
    "manila.network.standalone_network_plugin.StandaloneNetworkPlugin": "standalone",
    "manila.network.neutron.neutron_network_plugin.NeutronNetworkPlugin": "neutron",
    "manila.network.neutron.neutron_network_plugin.NeutronSingleNetworkPlugin": "neutron",
    "manila.network.neutron.neutron_network_plugin.NeutronBindNetworkPlugin": "neutron",
    "manila.network.neutron.neutron_network_plugin.NeutronBindSingleNetworkPlugin": "neutron",
    "manila.network.nova_network_plugin.NovaNetworkPlugin": "nova",
    "manila.network.nova_network_plugin.NovaSingleNetworkPlugin": "nova",
}
"""What a network_api_class means here. One network or many follows from the backend's mode."""

PASSED_OVER = {
    "api_paste_config": "the pipeline is in the code",
    "debug": "write log_level = DEBUG",
    "enabled_share_protocols": "protocols are those that the backends' drivers serve",
    "log_dir": "logs go to standard error",
    "log_file": "logs go to standard error",
    "my_ip": "listen_address says where the API listens",
    "rootwrap_config": "no wrapper is used",
    "rpc_backend": "there is no message broker",
    "transport_url": "there is no message broker",
    "use_syslog": "logs go to standard error",
    "verbose": "write log_level = DEBUG",
}
"""Options of a manila.conf that need nothing here, and why."""
