"""The options of a Neutron network section, what can be wrong with them, and their meaning."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import ip_network

from oslo_config import cfg

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.credentials import Access, Service
from abaca.network.plugin import IPNetwork
from abaca.network.section import Values, items_of, text_of, with_defaults

DIRECT, ROUTED = "direct", "routed"
LONGEST_TAG = 60


def _old(name: str) -> list[cfg.DeprecatedOpt]:
    """The name that the option has in a manila.conf."""
    return [cfg.DeprecatedOpt(name)]


NEUTRON = Service(
    name="Neutron",
    type="network",
    endpoint="Neutron's root URL (without /v2.0)",
    endpoint_sample="https://neutron.example.org:9696",
    believes="the noauth_* options",
    none=(
        cfg.StrOpt("noauth_user_id", default="abaca", help="none: sent as X-User-Id."),
        cfg.StrOpt("noauth_project_id", help="none: sent as X-Project-Id."),
        cfg.ListOpt(
            "noauth_roles", default=["admin", "member", "reader"], help="none: sent as X-Roles."
        ),
    ),
    none_needs=("noauth_project_id",),
    old={
        "interface": "endpoint_type",
        "endpoint_override": "url",
        "request_timeout": "url_timeout",
    },
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
OPTIONS = (*NEUTRON.options(), *PORTS, *ROUTING)


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
    def parse(cls, section: str, values: Values, mode: DriverMode) -> Settings:
        """From values that have no `faults`; InvalidNetwork otherwise."""
        if lines := faults(section, values, mode):
            raise InvalidNetwork("; ".join(lines))
        values = with_defaults(OPTIONS, values)
        flat = mode is DriverMode.FLAT
        routed = not flat and text_of(values, "connectivity") == ROUTED
        return cls(
            section=section,
            access=_access(values),
            owner_tag=text_of(values, "owner_tag"),
            network=text_of(values, "network") if flat else None,
            subnets=tuple(items_of(values, "subnet")) if flat else (),
            physical_network=text_of(values, "physical_network") or None,
            ports=_ports(values, mode),
            carving=_carving(values) if routed else None,
        )


def _access(values: Values) -> Access:
    found = Access.parse(
        values,
        {
            "X-User-Id": text_of(values, "noauth_user_id"),
            "X-Project-Id": text_of(values, "noauth_project_id"),
            "X-Roles": ",".join(items_of(values, "noauth_roles")),
        },
    )
    root = found.endpoint.removesuffix("/v2.0") if found.endpoint else None
    return replace(found, endpoint=root)


def _ports(values: Values, mode: DriverMode) -> PortOptions:
    bind, security = values.get("bind_ports"), values.get("port_security")
    return PortOptions(
        bind=mode is DriverMode.MANAGED if bind is None else bind is True,
        host=text_of(values, "binding_host") or None,
        vnic_type=text_of(values, "vnic_type"),
        profile=text_of(values, "binding_profile") or None,
        security=security if isinstance(security, bool) else None,
        wait_active=values.get("wait_active") is True,
    )


def _carving(values: Values) -> Carving:
    pairs = (("service_cidr", "service_prefix"), ("ipv6_service_cidr", "ipv6_service_prefix"))
    return Carving(
        supernets=tuple(
            (ip_network(text_of(values, cidr)), int(text_of(values, prefix)))
            for cidr, prefix in pairs
            if text_of(values, cidr)
        ),
        network_type=text_of(values, "service_network_type") or None,
        physical_network=text_of(values, "service_physical_network") or None,
    )


def faults(section: str, values: Values, mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line per fault that says what to write."""
    values = with_defaults(OPTIONS, values)
    lines = [*NEUTRON.faults(values), *_place_faults(values, mode)]
    tag = text_of(values, "owner_tag")
    if not tag or "/" in tag or len(tag) > LONGEST_TAG:
        lines.append(
            "owner_tag: write a name without / that no other Abaca deployment uses on this cloud, "
            "as in abaca-site1"
        )
    if (profile := text_of(values, "binding_profile")) and not _is_object(profile):
        lines.append("binding_profile: write a JSON object, as in {}")
    return [f"[{section}] {line}" for line in lines]


def _place_faults(values: Values, mode: DriverMode) -> list[str]:
    connectivity = text_of(values, "connectivity")
    if mode is DriverMode.FLAT:
        lines = []
        if not text_of(values, "network"):
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


def _carving_faults(values: Values) -> list[str]:
    lines = []
    if not text_of(values, "service_cidr") and not text_of(values, "ipv6_service_cidr"):
        lines.append("service_cidr: missing; connectivity = routed makes its subnets of it")
    for version, kind in ((4, ""), (6, "ipv6_")):
        name = f"{kind}service_cidr"
        text = text_of(values, name)
        if not text:
            continue
        try:
            cidr = ip_network(text)
        except ValueError as error:
            lines.append(f"{name}: {error}; write a CIDR, as in 10.254.0.0/16")
            continue
        prefix = text_of(values, f"{kind}service_prefix")
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


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
