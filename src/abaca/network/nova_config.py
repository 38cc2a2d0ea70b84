"""The options of a nova network section, what can be wrong with them, and their meaning."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network import ipam
from abaca.network.credentials import Access, Service
from abaca.network.plugin import IPAddress
from abaca.network.section import Values, items_of, text_of, with_defaults

LEAST_MTU = 576


def _old(name: str) -> list[cfg.DeprecatedOpt]:
    """The name that the option has in a manila.conf."""
    return [cfg.DeprecatedOpt(name)]


NOVA = Service(
    name="nova",
    type="compute",
    endpoint="nova's URL, with its version",
    endpoint_sample="https://nova.example.org:8774/v2.1",
    believes="the token (noauth2)",
    rights=" It must be an administrator in nova.",
    none=(cfg.StrOpt("token", secret=True, help="none: sent as X-Auth-Token, as it is."),),
    old={"interface": "endpoint_type"},
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
OPTIONS = (*NOVA.options(), *NETWORKS)


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
    def parse(cls, section: str, values: Values, mode: DriverMode) -> Settings:
        """From values that have no `faults`; InvalidNetwork otherwise."""
        if lines := faults(section, values, mode):
            raise InvalidNetwork("; ".join(lines))
        values = with_defaults(OPTIONS, values)
        return cls(
            access=Access.parse(values, {}),
            network=text_of(values, "network") or None,
            ranges=tuple(ipam.parse_range(text) for text in items_of(values, "allowed_ip_ranges")),
            physical_network=text_of(values, "physical_network") or None,
            mtu=int(text_of(values, "mtu")) if text_of(values, "mtu") else None,
            allow_multi_host=values.get("allow_multi_host") is True,
            rest_seconds=int(text_of(values, "address_rest_seconds")),
        )


def faults(section: str, values: Values, mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line per fault that says what to write."""
    values = with_defaults(OPTIONS, values)
    lines = [*NOVA.faults(values), *_network_faults(values, mode), *_range_faults(values)]
    mtu = text_of(values, "mtu")
    if mtu and (not mtu.isdecimal() or int(mtu) < LEAST_MTU):
        lines.append(f"mtu: {mtu!r} is none; write a number of bytes, as in 1500")
    return [f"[{section}] {line}" for line in lines]


def _network_faults(values: Values, mode: DriverMode) -> list[str]:
    if mode is DriverMode.FLAT:
        if text_of(values, "network"):
            return []
        return ["network: missing; write the ID or the label of the flat network"]
    return [
        f"{name}: {mode} takes networks as share networks name them; remove it"
        for name in ("network", "allowed_ip_ranges")
        if values.get(name)
    ]


def _range_faults(values: Values) -> list[str]:
    lines, ranges = [], []
    for text in items_of(values, "allowed_ip_ranges"):
        try:
            ranges.append(ipam.parse_range(text))
        except InvalidNetwork as error:
            lines.append(f"allowed_ip_ranges: {error}; write as in 10.50.0.128-10.50.0.254")
    lines += [f"allowed_ip_ranges: {pair} overlap" for pair in ipam.overlapping(ranges)]
    return lines
