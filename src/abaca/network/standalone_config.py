"""The options of a standalone network section, what can be wrong with them, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from oslo_config import cfg

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network import ipam
from abaca.network.plugin import (
    DEFAULT_WARN_PERCENT,
    IPNetwork,
    NetworkPlan,
    NetworkType,
    Segment,
)
from abaca.network.section import text_of
from abaca.network.standalone_flat import Family, families
from abaca.network.standalone_values import Faults, number, truth

DIRECT, ROUTED = "direct", "routed"
ETHERNET_MTU = 1500
VXLAN_OVERHEAD = 50
MIN_MTU = {4: 576, 6: 1280}
SEGMENTATION_IDS = {
    NetworkType.VLAN: (1, 4094),
    NetworkType.VXLAN: (1, 16777215),
    NetworkType.GRE: (1, 4294967295),
    NetworkType.GENEVE: (1, 16777215),
}
PERCENT = 100
PROBE_SECONDS = (0.1, 10.0)
OWN_TYPES = (NetworkType.VLAN, NetworkType.VXLAN)


def _old(name: str) -> list[cfg.DeprecatedOpt]:
    """The name that the option has in a manila.conf."""
    return [cfg.DeprecatedOpt(f"standalone_network_plugin_{name}")]


OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "gateway",
        help="Gateway of the flat network. With `mask` it says which network it is. Share "
        "servers have no default route without it; then `cidr` says which network it is.",
        sample_default="10.10.0.1",
        deprecated_opts=_old("gateway"),
    ),
    cfg.StrOpt(
        "mask",
        help="Netmask of the flat network: a number of bits, or dotted.",
        sample_default="24",
        deprecated_opts=_old("mask"),
    ),
    cfg.StrOpt(
        "cidr",
        help="The flat network, in place of `mask`; with or without a `gateway`.",
        sample_default="10.10.0.0/24",
    ),
    cfg.ListOpt(
        "allowed_ip_ranges",
        default=[],
        help="Where addresses are taken from: `first-last`, a CIDR or a single address each. "
        "All of the network but its gateway if empty. Changing it keeps what is in use.",
        sample_default="10.10.0.10-10.10.0.199",
        deprecated_opts=_old("allowed_ip_ranges"),
    ),
    cfg.StrOpt("ipv6_gateway", help="As `gateway`, for IPv6. Both may be given (dual stack)."),
    cfg.StrOpt("ipv6_mask", help="As `mask`, for IPv6: a number of bits.", sample_default="64"),
    cfg.StrOpt("ipv6_cidr", help="As `cidr`, for IPv6.", sample_default="fd00:10::/64"),
    cfg.ListOpt("ipv6_allowed_ip_ranges", default=[], help="As `allowed_ip_ranges`, for IPv6."),
    cfg.ListOpt(
        "routes",
        default=[],
        help="More routes of share servers on the flat network, of both IP versions: "
        "`CIDR via ROUTER` each, where the router is on the network. Its address is given to "
        "nobody. Servers that were there before keep the routes that they have.",
        sample_default="192.168.0.0/16 via 10.10.0.2",
    ),
    cfg.StrOpt(
        "network_type",
        default="flat",
        help="What the flat network is on the wire: flat, vlan, vxlan, gre or geneve.",
        deprecated_opts=_old("network_type"),
    ),
    cfg.IntOpt(
        "segmentation_id",
        help="VLAN ID or VNI of that network, if its type has one.",
        deprecated_opts=_old("segmentation_id"),
    ),
    cfg.StrOpt(
        "physical_network",
        help="Name of the physical network, as the backend's bridge_mappings has it.",
    ),
    cfg.IntOpt(
        "mtu",
        help="Bytes per packet. 1500 if not set, and 1450 in VXLAN networks of Abaca's own.",
        deprecated_opts=_old("mtu"),
    ),
    cfg.StrOpt(
        "connectivity",
        default=DIRECT,
        help="managed_multi_svm: `direct` puts a share server on the tenant's network, with an "
        "address of it. `routed` puts it on a network of its own, and a router joins the two.",
    ),
    cfg.StrOpt(
        "service_cidr",
        help="managed_multi_svm: what networks of Abaca's own are carved from (for `routed`, "
        "and for share networks that name no network).",
        sample_default="10.254.0.0/16",
    ),
    cfg.IntOpt("service_prefix", default=24, help="Prefix length of each carved network."),
    cfg.StrOpt(
        "ipv6_service_cidr",
        help="As `service_cidr`, for IPv6. Both may be given (dual stack).",
        sample_default="fd00:254::/48",
    ),
    cfg.IntOpt("ipv6_service_prefix", default=64, help="As `service_prefix`, for IPv6."),
    cfg.StrOpt(
        "segmentation_ids",
        help="VLAN IDs or VNIs for networks of Abaca's own, `first-last`. Each is used once at "
        "a time, never one that a registered tenant network has.",
        sample_default="2000-2999",
    ),
    cfg.StrOpt("segmentation_type", default="vxlan", help="Their type: vlan or vxlan."),
    cfg.IntOpt(
        "address_rest_seconds",
        default=600,
        help="How long a freed address should rest before it is used again. Never used ones go "
        "first, then those freed longest ago; an address that still rests is used only where "
        "no other is left.",
    ),
    cfg.BoolOpt(
        "probe_addresses",
        default=False,
        help="flat_multi_svm: before an address is given to a share server, ask on the wire "
        "(ARP, neighbour discovery) whether somebody has it. Such an address is put aside, and "
        "the next one taken. For networks where not Abaca alone gives out those addresses. The "
        "driver must have the network on a bridge of this host, as `linux` has.",
    ),
    cfg.FloatOpt(
        "probe_seconds",
        default=1.0,
        help="How long an answer is waited for: what making a share server takes longer.",
    ),
    cfg.IntOpt(
        "probe_again_seconds",
        default=3600,
        help="How long an address that was put aside is left alone, before it is asked for "
        "again. It is free once nobody answers.",
    ),
    cfg.IntOpt(
        "warn_percent",
        default=DEFAULT_WARN_PERCENT,
        help="How many percent of the flat network's addresses may be taken before the log, "
        "`abaca network usage` and `abaca config check` warn. 0: they never do.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How addresses are asked for on the wire, before they are given."""

    seconds: float
    again_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A network section, understood."""

    rest_seconds: int
    warn_percent: int
    probe: Probe | None
    """Whether and how addresses are asked for on the wire first; flat_multi_svm only."""
    routed: bool
    flat: Segment | None
    """The configured network; flat_multi_svm only."""
    families: tuple[Family, ...]
    plan: NetworkPlan | None
    """What networks of our own are made of, if the section says."""

    @classmethod
    def parse(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> Settings:
        """From values that have no `faults`; InvalidNetwork otherwise."""
        found = Faults(section)
        made = _settings(values, mode, found)
        if made is None:
            raise InvalidNetwork("; ".join(found.lines))
        return made


def faults(section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line per fault that says what to write."""
    found = Faults(section)
    _settings(values, mode, found)
    return found.lines


def _settings(values: Mapping[str, object], mode: DriverMode, found: Faults) -> Settings | None:
    rest = number(values, "address_rest_seconds", found)
    warn = number(values, "warn_percent", found)
    if warn is not None and warn > PERCENT:
        found.add("warn_percent", f"{warn} is too much; write 1 to 100, or 0 for no warnings")
    connectivity = text_of(values, "connectivity") or DIRECT
    if connectivity not in (DIRECT, ROUTED):
        found.add("connectivity", f"{connectivity!r} is unknown; write direct or routed")
    sides: tuple[Family, ...] = ()
    segment: Segment | None = None
    plan: NetworkPlan | None = None
    if mode is DriverMode.FLAT:
        sides = families(values, found)
        segment = _flat(values, sides, found)
    else:
        plan = _plan(values, found)
        _check_routed(values, connectivity, found)
    probe = _probe(values, mode, found)
    if found.lines:
        return None
    return Settings(
        rest_seconds=600 if rest is None else rest,
        warn_percent=DEFAULT_WARN_PERCENT if warn is None else warn,
        probe=probe,
        routed=connectivity == ROUTED,
        flat=segment,
        families=sides,
        plan=plan,
    )


def _check_routed(values: Mapping[str, object], connectivity: str, found: Faults) -> None:
    if connectivity == ROUTED and not text_of(values, "segmentation_ids"):
        found.add(
            "segmentation_ids",
            "missing; connectivity = routed needs VLAN IDs or VNIs for networks of its "
            'own, as in "segmentation_ids = 2000-2999"',
        )


def _probe(values: Mapping[str, object], mode: DriverMode, found: Faults) -> Probe | None:
    again = number(values, "probe_again_seconds", found)
    written = text_of(values, "probe_seconds") or "1"
    try:
        seconds = float(written)
    except ValueError:
        seconds = 0.0
    least, most = PROBE_SECONDS
    if not least <= seconds <= most:
        found.add("probe_seconds", f"{written} won't do; write {least} to {most}")
    if not truth(values, "probe_addresses"):
        return None
    if mode is not DriverMode.FLAT:
        found.add("probe_addresses", "only flat_multi_svm probes addresses; leave it out")
    return Probe(seconds=seconds, again_seconds=3600 if again is None else again)


def _flat(
    values: Mapping[str, object], families: Sequence[Family], found: Faults
) -> Segment | None:
    kind = _kind(values, "network_type", "flat", tuple(NetworkType), found)
    tag = number(values, "segmentation_id", found)
    if kind is NetworkType.FLAT and tag is not None:
        found.add(
            "segmentation_id", "a flat network has none; leave it out, or write network_type = vlan"
        )
    if kind in SEGMENTATION_IDS:
        first, last = SEGMENTATION_IDS[kind]
        if tag is None or not first <= tag <= last:
            found.add("segmentation_id", f"write the {kind} ID, {first} to {last}")
    mtu = _mtu(values, [item.subnet.cidr.version for item in families], ETHERNET_MTU, found)
    if found.lines or kind is None:
        return None
    return Segment(
        network_type=kind,
        segmentation_id=tag,
        physical_network=text_of(values, "physical_network") or None,
        mtu=mtu,
        subnets=tuple(item.subnet for item in families),
    )


def _kind(
    values: Mapping[str, object],
    name: str,
    default: str,
    allowed: Sequence[NetworkType],
    found: Faults,
) -> NetworkType | None:
    written = text_of(values, name) or default
    if written not in {str(item) for item in allowed}:
        found.add(name, f"{written!r} is unknown; write one of {', '.join(allowed)}")
        return None
    return NetworkType(written)


def _mtu(values: Mapping[str, object], versions: Sequence[int], default: int, found: Faults) -> int:
    mtu = number(values, "mtu", found)
    if mtu is None:
        return default
    least = max((MIN_MTU[item] for item in versions), default=MIN_MTU[4])
    if not least <= mtu <= 65535:  # noqa: PLR2004 - the largest that Ethernet devices take
        found.add("mtu", f"{mtu} can't carry IP; write {least} to 65535")
    return mtu


def _plan(values: Mapping[str, object], found: Faults) -> NetworkPlan | None:
    """What networks of our own are made of; None if the section doesn't mention them."""
    supernets = [
        pair for prefix in ("", "ipv6_") if (pair := _supernet(values, prefix, found)) is not None
    ]
    written = text_of(values, "segmentation_ids")
    kind = _kind(values, "segmentation_type", "vxlan", OWN_TYPES, found)
    mtu = _mtu(
        values,
        [supernet.version for supernet, _ in supernets],
        ETHERNET_MTU - (VXLAN_OVERHEAD if kind is NetworkType.VXLAN else 0),
        found,
    )
    if not written and not supernets:
        return None
    if not written:
        found.add("segmentation_ids", 'missing; write first-last, as in "2000-2999"')
    if not supernets:
        found.add("service_cidr", 'missing; write a free network, as in "10.254.0.0/16"')
    ids = _id_range(written, kind, found) if written and kind else None
    if found.lines or kind is None or ids is None:
        return None
    return NetworkPlan(
        network_type=kind,
        physical_network=text_of(values, "physical_network") or None,
        mtu=mtu,
        segmentation_ids=ids,
        supernets=tuple(supernets),
    )


def _supernet(
    values: Mapping[str, object], prefix: str, found: Faults
) -> tuple[IPNetwork, int] | None:
    name = f"{prefix}service_cidr"
    written = text_of(values, name)
    if not written:
        return None
    try:
        supernet = ip_network(written)
    except ValueError as error:
        found.add(name, f"{error}; write a network, as in 10.254.0.0/16")
        return None
    if (supernet.version == ipam.IPV4) is bool(prefix):
        right = "service_cidr" if prefix else "ipv6_service_cidr"
        found.add(name, f"{written} is IPv{supernet.version}; write it as {right}")
        return None
    default = 64 if prefix else 24
    length = number(values, f"{prefix}service_prefix", found)
    length = default if length is None else length
    least, most = supernet.prefixlen, supernet.max_prefixlen - 2
    if not least <= length <= most:
        found.add(
            f"{prefix}service_prefix", f"{length} does not fit {supernet}; write {least} to {most}"
        )
        return None
    return supernet, length


def _id_range(written: str, kind: NetworkType, found: Faults) -> tuple[int, int] | None:
    least, most = SEGMENTATION_IDS[kind]
    first, _, last = (part.strip() for part in written.partition("-"))
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and least <= int(first) <= int(last) <= most):
        found.add(
            "segmentation_ids",
            f"{written!r} is no range of {kind} IDs; write first-last within {least}-{most}, "
            'as in "2000-2999"',
        )
        return None
    return int(first), int(last)
