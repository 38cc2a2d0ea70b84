"""The options of a Neutron network section, what can be wrong with them, and their meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from oslo_config import cfg

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.plugin import IPNetwork

DIRECT, ROUTED = "direct", "routed"
PASSWORD, APPLICATION, NONE = "password", "v3applicationcredential", "none"
LONGEST_TAG = 60


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
            (NONE, "a Neutron without Keystone, which believes the noauth_* options"),
        ],
        help="How Abaca says who it is.",
    ),
    cfg.StrOpt(
        "auth_url", help="Keystone's URL.", sample_default="https://keystone.example.org/v3"
    ),
    cfg.StrOpt("username", help="Abaca's user in the cloud."),
    cfg.StrOpt("password", secret=True, help="Its password."),
    cfg.StrOpt("project_name", default="service", help="The project that owns what Abaca makes."),
    cfg.StrOpt("user_domain_name", default="Default", help="Domain of the user."),
    cfg.StrOpt("project_domain_name", default="Default", help="Domain of the project."),
    cfg.StrOpt("application_credential_id", help="ID of the application credential."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Its secret."),
    cfg.StrOpt("noauth_user_id", default="abaca", help="none: sent as X-User-Id."),
    cfg.StrOpt("noauth_project_id", help="none: sent as X-Project-Id."),
    cfg.ListOpt(
        "noauth_roles", default=["admin", "member", "reader"], help="none: sent as X-Roles."
    ),
    cfg.StrOpt("region_name", help="Region of the catalog, if it has several."),
    cfg.StrOpt(
        "interface",
        default="public",
        choices=["public", "internal", "admin"],
        help="Which of Neutron's endpoints in the catalog is used.",
        deprecated_opts=_old("endpoint_type"),
    ),
    cfg.StrOpt(
        "endpoint_override",
        help="Neutron's root URL (without /v2.0), instead of the one in the catalog.",
        sample_default="https://neutron.example.org:9696",
        deprecated_opts=_old("url"),
    ),
    cfg.StrOpt("cafile", help="PEM file of the certificate authorities to trust."),
    cfg.BoolOpt("insecure", default=False, help="Don't verify certificates. Not for production."),
    cfg.FloatOpt(
        "request_timeout",
        default=15.0,
        min=0.1,
        help="Seconds to wait for an answer, of Keystone or Neutron.",
        deprecated_opts=_old("url_timeout"),
    ),
)

PORTS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "owner_tag",
        help="Marks ports and networks as made by this Abaca deployment: the same on all of its "
        "hosts, and used by no other deployment on the same cloud. What carries it and belongs to "
        "no share server is removed.",
        sample_default="abaca-site1",
    ),
    cfg.StrOpt(
        "network",
        help="flat_multi_svm: the network of the share servers, by ID or name.",
        deprecated_opts=_old("neutron_net_id"),
    ),
    cfg.ListOpt(
        "subnet",
        default=[],
        help="flat_multi_svm: its subnet, by ID or name; two if one is IPv4 and one IPv6. Needed "
        "only if the network has more than one of an IP version.",
        deprecated_opts=_old("neutron_subnet_id"),
    ),
    cfg.StrOpt(
        "physical_network",
        help="Which segment to use of a network that has several: the one on this physical "
        "network.",
        deprecated_opts=_old("neutron_physical_net_name"),
    ),
    cfg.BoolOpt(
        "bind_ports",
        help="Bind each port to the host of its share server (binding:host_id). By default in "
        "managed_multi_svm only.",
    ),
    cfg.StrOpt(
        "binding_host",
        help="The host's name in Neutron, if it is not the name that Abaca has for it.",
        deprecated_opts=_old("neutron_host_id"),
    ),
    cfg.StrOpt(
        "vnic_type",
        default="normal",
        choices=["normal", "direct", "macvtap", "direct-physical", "baremetal", "smart-nic"],
        help="binding:vnic_type of the ports; baremetal for storage that hangs on a switch.",
        deprecated_opts=_old("neutron_vnic_type"),
    ),
    cfg.StrOpt(
        "binding_profile",
        help="binding:profile of the ports, a JSON object; Neutron wants the role service for it.",
        sample_default='{"local_link_information": [{"switch_info": "tor1", "port_id": "1/7"}]}',
    ),
    cfg.BoolOpt(
        "port_security",
        help="port_security_enabled of the ports. If not set, as the network has it.",
    ),
    cfg.BoolOpt(
        "wait_active",
        default=False,
        help="A share server waits until Neutron says that its port is ACTIVE. Only where an agent "
        "or a switch driver of Neutron's does the wiring.",
    ),
)

ROUTING: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "connectivity",
        default=DIRECT,
        help="managed_multi_svm: `direct` puts a share server on the tenant's subnet. `routed` "
        "puts it on a network that Abaca makes, with an interface of the tenant's router.",
    ),
    cfg.StrOpt(
        "service_cidr",
        help="routed: what subnets of Abaca's own are carved from.",
        sample_default="10.254.0.0/16",
    ),
    cfg.IntOpt("service_prefix", default=28, help="routed: prefix length of each carved subnet."),
    cfg.StrOpt(
        "ipv6_service_cidr",
        help="As `service_cidr`, for IPv6. Both may be given (dual stack).",
        sample_default="fd00:254::/48",
    ),
    cfg.IntOpt("ipv6_service_prefix", default=64, help="As `service_prefix`, for IPv6."),
    cfg.StrOpt(
        "service_network_type",
        help="routed: provider:network_type of the networks made; Neutron's choice if not set.",
        sample_default="vlan",
    ),
    cfg.StrOpt(
        "service_physical_network",
        help="routed: provider:physical_network of the networks made.",
    ),
)
OPTIONS = (*ACCESS, *PORTS, *ROUTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where Neutron is, and who Abaca is there."""

    auth_type: str
    credentials: tuple[tuple[str, str], ...]
    """Options of the keystoneauth plugin of that type, by name."""
    headers: tuple[tuple[str, str], ...]
    endpoint: str | None
    region: str | None
    interface: str
    verify: bool | str
    timeout: float

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"Access({self.auth_type}, {self.endpoint or self.region})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOptions:
    """What ports of ours are like."""

    bind: bool
    host: str | None
    """The host's name in Neutron, if it differs."""
    vnic_type: str
    profile: str | None
    """A JSON object."""
    security: bool | None
    wait_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Carving:
    """What service networks are made of."""

    supernets: tuple[tuple[IPNetwork, int], ...]
    """One per IP version, with the prefix length of each subnet."""
    network_type: str | None
    physical_network: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A network section, understood."""

    section: str
    access: Access
    owner_tag: str
    network: str | None
    """flat_multi_svm only."""
    subnets: tuple[str, ...]
    physical_network: str | None
    ports: PortOptions
    carving: Carving | None
    """``routed`` only."""

    @classmethod
    def parse(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> Settings:
        """From values that have no `faults`; InvalidNetwork otherwise."""
        if lines := faults(section, values, mode):
            raise InvalidNetwork("; ".join(lines))
        values = _with_defaults(values)
        flat = mode is DriverMode.FLAT
        routed = not flat and _text(values, "connectivity") == ROUTED
        return cls(
            section=section,
            access=_access(values),
            owner_tag=_text(values, "owner_tag"),
            network=_text(values, "network") if flat else None,
            subnets=tuple(_items(values, "subnet")) if flat else (),
            physical_network=_text(values, "physical_network") or None,
            ports=_ports(values, mode),
            carving=_carving(values) if routed else None,
        )


def _access(values: Mapping[str, object]) -> Access:
    kind = _text(values, "auth_type")
    names = {
        PASSWORD: (
            "username",
            "password",
            "project_name",
            "user_domain_name",
            "project_domain_name",
        ),
        APPLICATION: ("application_credential_id", "application_credential_secret"),
        NONE: (),
    }[kind]
    credentials = [(name, _text(values, name)) for name in names]
    headers: list[tuple[str, str]] = []
    if kind == NONE:
        headers = [
            ("X-User-Id", _text(values, "noauth_user_id")),
            ("X-Project-Id", _text(values, "noauth_project_id")),
            ("X-Roles", ",".join(_items(values, "noauth_roles"))),
        ]
    else:
        credentials.append(("auth_url", _text(values, "auth_url")))
    insecure = values.get("insecure") is True
    return Access(
        auth_type=kind,
        credentials=tuple(credentials),
        headers=tuple(headers),
        endpoint=_text(values, "endpoint_override").rstrip("/").removesuffix("/v2.0") or None,
        region=_text(values, "region_name") or None,
        interface=_text(values, "interface"),
        verify=False if insecure else _text(values, "cafile") or True,
        timeout=float(_text(values, "request_timeout")),
    )


def _ports(values: Mapping[str, object], mode: DriverMode) -> PortOptions:
    bind, security = values.get("bind_ports"), values.get("port_security")
    return PortOptions(
        bind=mode is DriverMode.MANAGED if bind is None else bind is True,
        host=_text(values, "binding_host") or None,
        vnic_type=_text(values, "vnic_type"),
        profile=_text(values, "binding_profile") or None,
        security=security if isinstance(security, bool) else None,
        wait_active=values.get("wait_active") is True,
    )


def _carving(values: Mapping[str, object]) -> Carving:
    pairs = (("service_cidr", "service_prefix"), ("ipv6_service_cidr", "ipv6_service_prefix"))
    return Carving(
        supernets=tuple(
            (ip_network(_text(values, cidr)), int(_text(values, prefix)))
            for cidr, prefix in pairs
            if _text(values, cidr)
        ),
        network_type=_text(values, "service_network_type") or None,
        physical_network=_text(values, "service_physical_network") or None,
    )


def faults(section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line per fault that says what to write."""
    values = _with_defaults(values)
    lines = [*_access_faults(values), *_place_faults(values, mode)]
    tag = _text(values, "owner_tag")
    if not tag or "/" in tag or len(tag) > LONGEST_TAG:
        lines.append(
            "owner_tag: write a name without / that no other Abaca deployment uses on this cloud, "
            "as in abaca-site1"
        )
    if (profile := _text(values, "binding_profile")) and not _is_object(profile):
        lines.append("binding_profile: write a JSON object, as in {}")
    return [f"[{section}] {line}" for line in lines]


def _access_faults(values: Mapping[str, object]) -> list[str]:
    kind = _text(values, "auth_type")
    needed = {
        PASSWORD: ("auth_url", "username", "password"),
        APPLICATION: ("auth_url", "application_credential_id", "application_credential_secret"),
        NONE: ("endpoint_override", "noauth_project_id"),
    }
    if kind not in needed:
        return [f"auth_type: {kind!r} is unknown; write {PASSWORD}, {APPLICATION} or {NONE}"]
    lines = [
        f"{name}: missing; auth_type = {kind} needs it"
        for name in needed[kind]
        if not _text(values, name)
    ]
    lines += [
        f"{name}: {text!r} is no URL; write one, beginning with https://"
        for name in ("auth_url", "endpoint_override")
        if (text := _text(values, name)) and not text.startswith(("http://", "https://"))
    ]
    return lines


def _place_faults(values: Mapping[str, object], mode: DriverMode) -> list[str]:
    connectivity = _text(values, "connectivity")
    if mode is DriverMode.FLAT:
        lines = []
        if not _text(values, "network"):
            lines.append("network: missing; write the ID or the name of the flat network")
        if connectivity != DIRECT:
            lines.append(f"connectivity: {mode} has no other than direct; remove it")
        return lines
    lines = [
        f"{name}: {mode} takes it from the share network; remove it"
        for name in ("network", "subnet")
        if values.get(name)
    ]
    if connectivity not in (DIRECT, ROUTED):
        lines.append(f"connectivity: {connectivity!r} is unknown; write direct or routed")
    elif connectivity == ROUTED:
        lines += _carving_faults(values)
    return lines


def _carving_faults(values: Mapping[str, object]) -> list[str]:
    lines = []
    if not _text(values, "service_cidr") and not _text(values, "ipv6_service_cidr"):
        lines.append("service_cidr: missing; connectivity = routed makes its subnets of it")
    for version, kind in ((4, ""), (6, "ipv6_")):
        name = f"{kind}service_cidr"
        text = _text(values, name)
        if not text:
            continue
        try:
            cidr = ip_network(text)
        except ValueError as error:
            lines.append(f"{name}: {error}; write a CIDR, as in 10.254.0.0/16")
            continue
        prefix = _text(values, f"{kind}service_prefix")
        if cidr.version != version:
            lines.append(f"{name}: {text} is IPv{cidr.version}; write an IPv{version} CIDR")
        # Gateway and one share server are the least that a subnet must hold.
        elif not prefix.isdecimal() or not (
            cidr.prefixlen <= int(prefix) <= cidr.max_prefixlen - 2
        ):
            lines.append(
                f"{kind}service_prefix: write a number from {cidr.prefixlen} to "
                f"{cidr.max_prefixlen - 2}"
            )
    return lines


def _with_defaults(values: Mapping[str, object]) -> dict[str, object]:
    given = {name: value for name, value in values.items() if value is not None}
    return {**{option.dest: option.default for option in OPTIONS}, **given}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return "" if value is None else str(value).strip()


def _items(values: Mapping[str, object], name: str) -> list[str]:
    value = values.get(name)
    if value is None:
        return []
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else value  # type: ignore[assignment]
    return [text for text in (str(item).strip() for item in parts) if text]
