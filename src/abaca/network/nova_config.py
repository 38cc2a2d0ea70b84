"""The options of a nova network section, what can be wrong with them, and their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from oslo_config import cfg

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network import ipam
from abaca.network.plugin import IPAddress

PASSWORD, APPLICATION, NONE = "password", "v3applicationcredential", "none"
NEEDED = {
    PASSWORD: ("auth_url", "username", "password", "project_name"),
    APPLICATION: ("auth_url", "application_credential_id", "application_credential_secret"),
    NONE: ("endpoint_override",),
}
"""Options that each auth_type can't do without."""
LEAST_MTU = 576


def _old(name: str) -> list[cfg.DeprecatedOpt]:
    """The name that the option has in a manila.conf."""
    return [cfg.DeprecatedOpt(name)]


ACCESS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "auth_type",
        default=PASSWORD,
        choices=[
            (PASSWORD, "user name and password, at Keystone"),
            (APPLICATION, "an application credential, at Keystone"),
            (NONE, "a nova without Keystone (noauth2), which believes the token"),
        ],
        help="How Abaca says who it is. It must be an administrator in nova.",
    ),
    cfg.StrOpt(
        "auth_url", help="Keystone's URL.", sample_default="https://keystone.example.org/v3"
    ),
    cfg.StrOpt("username", help="Abaca's user in the cloud."),
    cfg.StrOpt("password", secret=True, help="Its password."),
    cfg.StrOpt("project_name", default="service", help="The project that the user works in."),
    cfg.StrOpt("user_domain_name", default="Default", help="Domain of the user."),
    cfg.StrOpt("project_domain_name", default="Default", help="Domain of the project."),
    cfg.StrOpt("application_credential_id", help="ID of the application credential."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Its secret."),
    cfg.StrOpt("token", secret=True, help="none: sent as X-Auth-Token, as it is."),
    cfg.StrOpt("region_name", help="Region of the catalog, if it has several."),
    cfg.StrOpt(
        "interface",
        default="public",
        choices=["public", "internal", "admin"],
        help="Which of nova's endpoints in the catalog is used.",
        deprecated_opts=_old("endpoint_type"),
    ),
    cfg.StrOpt(
        "endpoint_override",
        help="nova's URL, with its version, instead of the one in the catalog.",
        sample_default="https://nova.example.org:8774/v2.1",
    ),
    cfg.StrOpt("cafile", help="PEM file of the certificate authorities to trust."),
    cfg.BoolOpt("insecure", default=False, help="Don't verify certificates. Not for production."),
    cfg.FloatOpt(
        "request_timeout",
        default=15.0,
        min=0.1,
        help="Seconds to wait for an answer, of Keystone or nova.",
    ),
)

NETWORKS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "network",
        help="flat_multi_svm: the network of the share servers, by ID or label.",
        deprecated_opts=_old("nova_single_network_plugin_net_id"),
    ),
    cfg.ListOpt(
        "allowed_ip_ranges",
        default=[],
        help="flat_multi_svm: where addresses are taken from: `first-last`, a CIDR or a single "
        "address each, of both IP versions. All of the network that neither nova nor its "
        "services use if empty. Changing it keeps what is in use.",
        sample_default="10.50.0.128-10.50.0.254",
    ),
    cfg.StrOpt(
        "physical_network",
        help="Name of the physical network, as the backend's bridge_mappings has it.",
    ),
    cfg.IntOpt("mtu", help="Bytes per packet where nova names none. 1500 if unset."),
    cfg.BoolOpt(
        "allow_multi_host",
        default=False,
        help="Use networks with multi_host and without share_address, too. nova-network gives "
        "each of its hosts an address there, and its API does not show which: only where an "
        "administrator has reserved them (`nova fixed-ip-reserve`).",
    ),
    cfg.IntOpt(
        "address_rest_seconds",
        default=600,
        min=0,
        help="How long a freed address should rest before it is used again. Never used ones go "
        "first, then those freed longest ago.",
    ),
)
OPTIONS = (*ACCESS, *NETWORKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where nova is, and who Abaca is there."""

    auth_type: str
    credentials: Mapping[str, str] = field(repr=False)
    """Options of the keystoneauth plugin of that type; none: maybe a ``token``."""
    endpoint: str | None
    region: str | None
    interface: str
    verify: bool | str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A network section, understood."""

    access: Access
    network: str | None
    """flat_multi_svm only: ID or label."""
    ranges: tuple[tuple[IPAddress, IPAddress], ...]
    physical_network: str | None
    mtu: int | None
    allow_multi_host: bool
    rest_seconds: int

    @classmethod
    def parse(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> Settings:
        """From values that have no `faults`; InvalidNetwork otherwise."""
        if lines := faults(section, values, mode):
            raise InvalidNetwork("; ".join(lines))
        return cls(
            access=_access(values),
            network=_text(values, "network") or None,
            ranges=tuple(ipam.parse_range(text) for text in _items(values, "allowed_ip_ranges")),
            physical_network=_text(values, "physical_network") or None,
            mtu=int(_text(values, "mtu")) if _text(values, "mtu") else None,
            allow_multi_host=values.get("allow_multi_host") is True,
            rest_seconds=int(_text(values, "address_rest_seconds") or 600),
        )


def _access(values: Mapping[str, object]) -> Access:
    kind = _text(values, "auth_type") or PASSWORD
    names = {
        PASSWORD: (*NEEDED[PASSWORD], "user_domain_name", "project_domain_name"),
        APPLICATION: NEEDED[APPLICATION],
        NONE: ("token",),
    }[kind]
    defaults = {option.name: str(option.default) for option in ACCESS if option.default}
    texts = {name: _text(values, name) or defaults.get(name, "") for name in names}
    insecure = values.get("insecure") is True
    return Access(
        auth_type=kind,
        credentials={name: text for name, text in texts.items() if text},
        endpoint=_text(values, "endpoint_override").rstrip("/") or None,
        region=_text(values, "region_name") or None,
        interface=_text(values, "interface") or "public",
        verify=False if insecure else _text(values, "cafile") or True,
        timeout=float(_text(values, "request_timeout") or 15),
    )


def faults(section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line per fault that says what to write."""
    lines = [*_access_faults(values), *_network_faults(values, mode), *_range_faults(values)]
    mtu = _text(values, "mtu")
    if mtu and (not mtu.isdecimal() or int(mtu) < LEAST_MTU):
        lines.append(f"mtu: {mtu!r} is none; write a number of bytes, as in 1500")
    return [f"[{section}] {line}" for line in lines]


def _access_faults(values: Mapping[str, object]) -> list[str]:
    kind = _text(values, "auth_type") or PASSWORD
    if kind not in NEEDED:
        return [f"auth_type: {kind!r} is unknown; write {PASSWORD}, {APPLICATION} or {NONE}"]
    lines = [
        f"{name}: missing; auth_type = {kind} needs it"
        for name in NEEDED[kind]
        if not _text(values, name) and name != "project_name"
    ]
    lines += [
        f"{name}: {text!r} is no URL; write one that begins with https://"
        for name in ("auth_url", "endpoint_override")
        if (text := _text(values, name)) and not text.startswith(("http://", "https://"))
    ]
    return lines


def _network_faults(values: Mapping[str, object], mode: DriverMode) -> list[str]:
    if mode is DriverMode.FLAT:
        if _text(values, "network"):
            return []
        return ["network: missing; write the ID or the label of the flat network"]
    return [
        f"{name}: {mode} takes networks as share networks name them; remove it"
        for name in ("network", "allowed_ip_ranges")
        if values.get(name)
    ]


def _range_faults(values: Mapping[str, object]) -> list[str]:
    lines, ranges = [], []
    for text in _items(values, "allowed_ip_ranges"):
        try:
            ranges.append(ipam.parse_range(text))
        except InvalidNetwork as error:
            lines.append(f"allowed_ip_ranges: {error}; write as in 10.50.0.128-10.50.0.254")
    lines += [f"allowed_ip_ranges: {pair} overlap" for pair in ipam.overlapping(ranges)]
    return lines


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return "" if value is None else str(value).strip()


def _items(values: Mapping[str, object], name: str) -> list[str]:
    value = values.get(name)
    if value is None:
        return []
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else value  # type: ignore[assignment]
    return [text for text in (str(item).strip() for item in parts) if text]
