"""The options of a standalone network section, what can be wrong with them, and their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from oslo_config import cfg

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network import ipam
from abaca.network.plugin import (
    IPAddress,
    IPNetwork,
    NetworkPlan,
    NetworkType,
    Segment,
    Subnet,
)

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
OWN_TYPES = (NetworkType.VLAN, NetworkType.VXLAN)


def _old(name: str) -> list[cfg.DeprecatedOpt]:
    """The name that the option has in a manila.conf."""
    return [cfg.DeprecatedOpt(f"standalone_network_plugin_{name}")]


OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "gateway",
        help="Gateway of the flat network. With `mask` it says which network it is.",
        sample_default="10.10.0.1",
        deprecated_opts=_old("gateway"),
    ),
    cfg.StrOpt(
        "mask",
        help="Netmask of the flat network: a number of bits, or dotted.",
        sample_default="24",
        deprecated_opts=_old("mask"),
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
    cfg.ListOpt("ipv6_allowed_ip_ranges", default=[], help="As `allowed_ip_ranges`, for IPv6."),
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
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The flat network's side of one IP version."""

    subnet: Subnet
    ranges: tuple[tuple[IPAddress, IPAddress], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A network section, understood."""

    rest_seconds: int
    routed: bool
    flat: Segment | None
    """The configured network; flat_multi_svm only."""
    families: tuple[Family, ...]
    plan: NetworkPlan | None
    """What networks of our own are made of, if the section says."""

    @classmethod
    def parse(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> Settings:
        """From values that have no `faults`; InvalidNetwork otherwise."""
        found = _Faults(section)
        made = _settings(values, mode, found)
        if made is None:
            raise InvalidNetwork("; ".join(found.lines))
        return made


def faults(section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line per fault that says what to write."""
    found = _Faults(section)
    _settings(values, mode, found)
    return found.lines


class _Faults:
    """Collects lines, each with section and option."""

    def __init__(self, section: str) -> None:
        self._section = section
        self.lines: list[str] = []

    def add(self, option: str, text: str) -> None:
        """One fault of one option."""
        self.lines.append(f"[{self._section}] {option}: {text}")


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return "" if value is None else str(value).strip()


def _items(values: Mapping[str, object], name: str) -> list[str]:
    value = values.get(name)
    if value is None:
        return []
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else value  # type: ignore[assignment]
    return [text for text in (str(item).strip() for item in parts) if text]


def _number(values: Mapping[str, object], name: str, found: _Faults) -> int | None:
    text = _text(values, name)
    if not text:
        return None
    if not text.isdecimal():
        found.add(name, f"{text!r} is no whole number; write digits only")
        return None
    return int(text)


def _settings(values: Mapping[str, object], mode: DriverMode, found: _Faults) -> Settings | None:
    rest = _number(values, "address_rest_seconds", found)
    connectivity = _text(values, "connectivity") or DIRECT
    if connectivity not in (DIRECT, ROUTED):
        found.add("connectivity", f"{connectivity!r} is unknown; write direct or routed")
    families: tuple[Family, ...] = ()
    segment: Segment | None = None
    plan: NetworkPlan | None = None
    if mode is DriverMode.FLAT:
        families = _families(values, found)
        segment = _flat(values, families, found)
    else:
        plan = _plan(values, found)
        if connectivity == ROUTED and not _text(values, "segmentation_ids"):
            found.add(
                "segmentation_ids",
                "missing; connectivity = routed needs VLAN IDs or VNIs for networks of its "
                'own, as in "segmentation_ids = 2000-2999"',
            )
    if found.lines:
        return None
    return Settings(
        rest_seconds=600 if rest is None else rest,
        routed=connectivity == ROUTED,
        flat=segment,
        families=families,
        plan=plan,
    )


def _families(values: Mapping[str, object], found: _Faults) -> tuple[Family, ...]:
    gateways = [name for name in ("gateway", "ipv6_gateway") if _text(values, name)]
    if not gateways:
        found.add("gateway", 'missing; write an address of the network, as in "gateway = 10.0.0.1"')
    families = [
        family
        for name in gateways
        if (family := _family(values, name.removesuffix("gateway"), found)) is not None
    ]
    versions = [item.subnet.cidr.version for item in families]
    if versions == [6, 6]:
        found.add("gateway", "both gateway and ipv6_gateway are IPv6; leave one of them out")
    for prefix in ("", "ipv6_"):
        for name in (f"{prefix}mask", f"{prefix}allowed_ip_ranges"):
            if _items(values, name) and f"{prefix}gateway" not in gateways:
                found.add(f"{prefix}gateway", f"missing, but {name} is set; write the gateway too")
    return tuple(families)


def _family(values: Mapping[str, object], prefix: str, found: _Faults) -> Family | None:
    name = f"{prefix}gateway"
    try:
        gateway = ip_address(_text(values, name))
    except ValueError:
        found.add(name, f"{_text(values, name)!r} is no IP address; write one, as in 10.0.0.1")
        return None
    if prefix and gateway.version == ipam.IPV4:
        found.add(name, f"{gateway} is IPv4; write it as gateway")
        return None
    mask = _text(values, f"{prefix}mask")
    if not mask:
        found.add(
            f"{prefix}mask",
            f'missing; write the prefix length of the network of {gateway}, as in "mask = 24"',
        )
        return None
    cidr: IPNetwork | None
    try:
        cidr = ip_network(f"{gateway}/{mask}", strict=False)
    except ValueError:
        cidr = None
    limit = gateway.max_prefixlen - 2
    if cidr is None or not 1 <= cidr.prefixlen <= limit:
        found.add(f"{prefix}mask", f"{mask!r} won't do; write a number of bits, 1 to {limit}")
        return None
    if gateway in ipam.reserved(cidr, ()):
        found.add(
            name, f"{gateway} is the network or broadcast address of {cidr}; write a host's address"
        )
    ranges = _ranges(values, f"{prefix}allowed_ip_ranges", cidr, gateway, found)
    return Family(subnet=Subnet(cidr=cidr, gateway=gateway), ranges=ranges)


def _ranges(
    values: Mapping[str, object], name: str, cidr: IPNetwork, gateway: IPAddress, found: _Faults
) -> tuple[tuple[IPAddress, IPAddress], ...]:
    ranges: list[tuple[IPAddress, IPAddress]] = []
    for text in _items(values, name):
        try:
            pair = ipam.parse_range(text)
        except InvalidNetwork as error:
            found.add(name, f"{error}; write first-last, as in {cidr[1]}-{cidr[-2]}")
            continue
        if pair[0] not in cidr or pair[1] not in cidr:
            found.add(name, f"{text} is not inside {cidr}; write addresses of {cidr[1]}-{cidr[-2]}")
        elif ipam.contains([(int(pair[0]), int(pair[1]))], int(gateway)):
            parts = ipam.without([(int(pair[0]), int(pair[1]))], [int(gateway)])
            better = ", ".join(ipam.spell_ranges(parts, cidr.version)) or "another range"
            found.add(name, f"{text} has the gateway {gateway} inside; write {better}")
        else:
            ranges.append(pair)
    for pair_text in ipam.overlapping(ranges):
        found.add(name, f"{pair_text} overlap; write each address once")
    if ranges and not _usable(ranges, cidr, gateway):
        found.add(name, f"no address is left after the reserved ones of {cidr}; write more")
    return tuple(ranges) or ((cidr[0], cidr[-1]),)


def _usable(
    ranges: Sequence[tuple[IPAddress, IPAddress]], cidr: IPNetwork, gateway: IPAddress
) -> bool:
    holes = [int(item) for item in ipam.reserved(cidr, [gateway])]
    return any(True for _ in ipam.without([(int(a), int(b)) for a, b in ranges], holes))


def _flat(
    values: Mapping[str, object], families: Sequence[Family], found: _Faults
) -> Segment | None:
    kind = _kind(values, "network_type", "flat", tuple(NetworkType), found)
    number = _number(values, "segmentation_id", found)
    if kind is NetworkType.FLAT and number is not None:
        found.add(
            "segmentation_id", "a flat network has none; leave it out, or write network_type = vlan"
        )
    if kind in SEGMENTATION_IDS:
        first, last = SEGMENTATION_IDS[kind]
        if number is None or not first <= number <= last:
            found.add("segmentation_id", f"write the {kind} ID, {first} to {last}")
    mtu = _mtu(values, [item.subnet.cidr.version for item in families], ETHERNET_MTU, found)
    if found.lines or kind is None:
        return None
    return Segment(
        network_type=kind,
        segmentation_id=number,
        physical_network=_text(values, "physical_network") or None,
        mtu=mtu,
        subnets=tuple(item.subnet for item in families),
    )


def _kind(
    values: Mapping[str, object],
    name: str,
    default: str,
    allowed: Sequence[NetworkType],
    found: _Faults,
) -> NetworkType | None:
    text = _text(values, name) or default
    if text not in {str(item) for item in allowed}:
        found.add(name, f"{text!r} is unknown; write one of {', '.join(allowed)}")
        return None
    return NetworkType(text)


def _mtu(
    values: Mapping[str, object], versions: Sequence[int], default: int, found: _Faults
) -> int:
    mtu = _number(values, "mtu", found)
    if mtu is None:
        return default
    least = max((MIN_MTU[item] for item in versions), default=MIN_MTU[4])
    if not least <= mtu <= 65535:  # noqa: PLR2004 - the largest that Ethernet devices take
        found.add("mtu", f"{mtu} can't carry IP; write {least} to 65535")
    return mtu


def _plan(values: Mapping[str, object], found: _Faults) -> NetworkPlan | None:
    """What networks of our own are made of; None if the section doesn't mention them."""
    supernets = [
        pair for prefix in ("", "ipv6_") if (pair := _supernet(values, prefix, found)) is not None
    ]
    text = _text(values, "segmentation_ids")
    kind = _kind(values, "segmentation_type", "vxlan", OWN_TYPES, found)
    mtu = _mtu(
        values,
        [supernet.version for supernet, _ in supernets],
        ETHERNET_MTU - (VXLAN_OVERHEAD if kind is NetworkType.VXLAN else 0),
        found,
    )
    if not text and not supernets:
        return None
    if not text:
        found.add("segmentation_ids", 'missing; write first-last, as in "2000-2999"')
    if not supernets:
        found.add("service_cidr", 'missing; write a free network, as in "10.254.0.0/16"')
    ids = _id_range(text, kind, found) if text and kind else None
    if found.lines or kind is None or ids is None:
        return None
    return NetworkPlan(
        network_type=kind,
        physical_network=_text(values, "physical_network") or None,
        mtu=mtu,
        segmentation_ids=ids,
        supernets=tuple(supernets),
    )


def _supernet(
    values: Mapping[str, object], prefix: str, found: _Faults
) -> tuple[IPNetwork, int] | None:
    name = f"{prefix}service_cidr"
    text = _text(values, name)
    if not text:
        return None
    try:
        supernet = ip_network(text)
    except ValueError as error:
        found.add(name, f"{error}; write a network, as in 10.254.0.0/16")
        return None
    if (supernet.version == ipam.IPV4) is bool(prefix):
        right = "service_cidr" if prefix else "ipv6_service_cidr"
        found.add(name, f"{text} is IPv{supernet.version}; write it as {right}")
        return None
    default = 64 if prefix else 24
    length = _number(values, f"{prefix}service_prefix", found)
    length = default if length is None else length
    least, most = supernet.prefixlen, supernet.max_prefixlen - 2
    if not least <= length <= most:
        found.add(
            f"{prefix}service_prefix", f"{length} does not fit {supernet}; write {least} to {most}"
        )
        return None
    return supernet, length


def _id_range(text: str, kind: NetworkType, found: _Faults) -> tuple[int, int] | None:
    least, most = SEGMENTATION_IDS[kind]
    first, _, last = (part.strip() for part in text.partition("-"))
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and least <= int(first) <= int(last) <= most):
        found.add(
            "segmentation_ids",
            f"{text!r} is no range of {kind} IDs; write first-last within {least}-{most}, "
            'as in "2000-2999"',
        )
        return None
    return int(first), int(last)
