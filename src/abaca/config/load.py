"""From files to a `Config`, or to every fault at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from abaca.config.backends import Backends
from abaca.config.model import ApiConfig, AuthStrategy, Config, ServiceConfig, WorkConfig
from abaca.config.options import GROUPS, PASSED_ON, PASSED_OVER
from abaca.config.raw import Raw, listed, read
from abaca.config.values import Values, path
from abaca.errors import ConfigError
from abaca.model.quota import Resource

DEFAULT_FILE = Path("/etc/abaca/abaca.conf")
FILE_VARIABLE = "ABACA_CONFIG"
HIGHEST_PORT = 65535
_DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")


def load(
    files: Sequence[Path] = (), folders: Sequence[Path] = (), *, need_backends: bool = True
) -> Config:
    """Read and check everything. ConfigError with one line per fault that says what to write.

    Without files and folders: what ABACA_CONFIG names, else /etc/abaca/abaca.conf.
    ``need_backends``: a process that has share managers must have at least one.
    """
    if not files and not folders:
        files = [_default_file()]
    raw = read(files, folders)
    values = Values(raw)
    groups = {section: values.of(section, options) for section, options in GROUPS.items()}
    for section in PASSED_ON & set(raw.sections):
        values.allow_all(section)
    service = _service(values, groups)
    backends = Backends(values, host=service.host, availability_zone=service.availability_zone)
    names = [name.strip() for name in _list(groups["DEFAULT"], "enabled_share_backends")]
    if need_backends and not names:
        sections = sorted(backends.unused()) or ["the names of your backend sections"]
        values.fault("DEFAULT", "enabled_share_backends", f"missing; write {', '.join(sections)}")
    found = backends.read(names)
    api = _api(values, groups, raw)
    values.check_names(PASSED_OVER)
    values.check_sections(backends.unused())
    if values.faults:
        raise ConfigError(values.faults)
    return Config(
        service=service,
        api=api,
        work=_work(groups["DEFAULT"]),
        backends=found,
        networks=backends.networks,
        notes=tuple(values.notes),
    )


def _default_file() -> Path:
    if FILE_VARIABLE in os.environ:
        return Path(os.environ[FILE_VARIABLE])
    if not DEFAULT_FILE.exists():
        text = "give --config-file FILE, or write it (`abaca config sample` prints one)"
        raise ConfigError([f"{DEFAULT_FILE}: no such file; {text}"])
    return DEFAULT_FILE


def _list(group: Mapping[str, object], name: str) -> list[str]:
    return [str(item) for item in cast("list[object]", group[name] or [])]


def _int(group: Mapping[str, object], name: str) -> int:
    return int(cast("int", group[name]))


def _text(group: Mapping[str, object], name: str) -> str | None:
    value = group[name]
    return None if value is None or value == "" else str(value)


def _service(values: Values, groups: Mapping[str, Mapping[str, object]]) -> ServiceConfig:
    group = groups["DEFAULT"]
    host = str(group["host"])
    if not re.fullmatch(r"[^@#\s]+", host):
        values.fault(
            "DEFAULT", "host", f"{host!r} can't be a name; write it without @, # and spaces"
        )
    state_path = Path(str(group["state_path"]))
    if not state_path.is_absolute():
        values.fault("DEFAULT", "state_path", f"{state_path} is relative; write an absolute path")
    url = _text(groups["database"], "connection") or f"sqlite:///{state_path}/abaca.sqlite"
    scheme = re.split(r"[+:]", url, maxsplit=1)[0]
    if scheme not in _DATABASES or "://" not in url:
        values.fault(
            "database",
            "connection",
            "is no URL of a database that Abaca knows; write sqlite:////PATH, "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME or mysql+pymysql://USER:PASSWORD@HOST/NAME",
        )
    return ServiceConfig(
        host=host,
        state_path=state_path,
        database_url=url,
        availability_zone=str(group["storage_availability_zone"]),
        log_level=str(group["log_level"]).upper(),
        log_format=str(group["log_format"]),
        metrics_listen=_metrics_listen(values, _text(group, "metrics_listen")),
    )


def _metrics_listen(values: Values, text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    address, _, port = text.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    try:
        ip_address(address)
    except ValueError:
        address = ""
    if not address or not port.isdecimal() or int(port) > HIGHEST_PORT:
        fault = f"{text!r} is no address and port; write 127.0.0.1:8787 or [::1]:8787"
        values.fault("DEFAULT", "metrics_listen", fault)
        return None
    return address, int(port)


def _work(group: Mapping[str, object]) -> WorkConfig:
    return WorkConfig(
        workers=_int(group, "task_workers"),
        lease_seconds=_int(group, "lease_seconds"),
        task_deadline_seconds=_int(group, "task_deadline_seconds"),
        share_server_idle_seconds=_int(group, "share_server_idle_seconds"),
        report_seconds=_int(group, "report_seconds"),
        supervise_seconds=_int(group, "supervise_seconds"),
        audit_seconds=_int(group, "audit_seconds"),
        orphan_seconds=_int(group, "orphan_seconds"),
    )


def _api(values: Values, groups: Mapping[str, Mapping[str, object]], raw: Raw) -> ApiConfig:
    group = groups["DEFAULT"]
    api = ApiConfig(
        listen_address=str(group["listen_address"]),
        listen_port=_int(group, "listen_port"),
        threads=_int(group, "api_threads"),
        tls_cert=path(group["tls_cert"]),
        tls_key=path(group["tls_key"]),
        trusted_proxy=tuple(_list(group, "trusted_proxy")),
        public_endpoint=_text(group, "public_endpoint"),
        auth_strategy=AuthStrategy(str(group["auth_strategy"])),
        token_seconds=_int(group, "token_seconds"),
        none_project_id=str(group["none_project_id"]),
        none_user_id=str(group["none_user_id"]),
        none_role=str(group["none_role"]),
        policy_file=_text(group, "policy_file"),
        max_limit=_int(group, "max_limit"),
        default_share_type=_text(group, "default_share_type"),
        default_share_network=_text(group, "default_share_network"),
        admin_only_metadata=tuple(_list(group, "admin_only_metadata")),
        soft_deleted_seconds=_int(group, "soft_deleted_share_retention_time"),
        transfer_seconds=_int(group, "transfer_retention_time"),
        quotas={Resource(name): _int(groups["quota"], name) for name in groups["quota"]},
        keystone=dict(raw.sections.get("keystone_authtoken", {})),
    )
    _check_tls(values, api)
    _check_listening(values, api)
    if api.policy_file and not Path(api.policy_file).is_file():
        values.fault("DEFAULT", "policy_file", f"{api.policy_file}: no such file")
    if api.auth_strategy is AuthStrategy.KEYSTONE and not api.keystone:
        values.fault("DEFAULT", "auth_strategy", "keystone needs a section [keystone_authtoken]")
    return api


def _check_tls(values: Values, api: ApiConfig) -> None:
    given = {"tls_cert": api.tls_cert, "tls_key": api.tls_key}
    missing = [name for name, file in given.items() if file is None]
    if len(missing) == 1:
        other = listed(set(given) - set(missing))
        values.fault("DEFAULT", missing[0], f"missing, but {other} is set; write both or none")
    absent = [(name, file) for name, file in given.items() if file and not file.is_file()]
    for name, file in absent:
        values.fault("DEFAULT", name, f"{file}: no such file")
    if api.tls_cert and api.tls_key and not absent:
        import ssl  # noqa: PLC0415 - costs start-up time, and is rarely needed

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(api.tls_cert, api.tls_key)
        except (ssl.SSLError, OSError) as error:
            values.fault("DEFAULT", "tls_cert", f"{api.tls_cert} with {api.tls_key}: {error}")


def _check_listening(values: Values, api: ApiConfig) -> None:
    try:
        loopback = ip_address(api.listen_address).is_loopback
    except ValueError:
        loopback = api.listen_address == "localhost"
        if not loopback:
            text = f"{api.listen_address!r} is no IP address; write one, as in 127.0.0.1 or ::"
            values.fault("DEFAULT", "listen_address", text)
            return
    if loopback or api.auth_strategy is AuthStrategy.KEYSTONE:
        return
    if api.auth_strategy is AuthStrategy.NONE:
        values.fault(
            "DEFAULT",
            "listen_address",
            f"{api.listen_address} would let everybody in (auth_strategy = none); write 127.0.0.1, "
            "or another auth_strategy",
        )
    elif not (api.tls_cert or api.trusted_proxy):
        values.fault(
            "DEFAULT",
            "listen_address",
            f"passwords would cross the network in clear on {api.listen_address}; write 127.0.0.1, "
            "or tls_cert and tls_key, or trusted_proxy",
        )
