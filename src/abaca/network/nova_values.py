"""nova's networks and fixed IPs as values; NetworkUnavailable if an answer makes no sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from abaca.errors import InvalidNetwork, NetworkUnavailable
from abaca.network.plugin import IPAddress, IPNetwork, NetworkType, Segment, Subnet

SERVICES = (
    "gateway",
    "gateway_v6",
    "broadcast",
    "dhcp_server",
    "dns1",
    "dns2",
    "vpn_private_address",
    "vpn_public_address",
)
"""Fields of a network whose addresses no share server may have. Not all of them are reserved."""
ETHERNET_MTU = 1500
IPV6_PREFIX = 64
Answer = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaNetwork:
    """A network of nova-network, as administrators see it."""

    id: str
    label: str
    project_id: str | None
    """None if every project may use it."""
    vlan: int | None
    mtu: int | None
    cidrs: tuple[IPNetwork, ...]
    """IPv4 first."""
    gateways: tuple[IPAddress, ...]
    services: frozenset[IPAddress]
    shares_addresses: bool
    """False if nova gives addresses to its own hosts, and doesn't say which."""

    @classmethod
    def parse(cls, raw: Answer) -> NovaNetwork:
        """From an answer. InvalidNetwork if only a part of it was shown."""
        if "vlan" not in raw:
            raise InvalidNetwork(
                "nova shows the VLAN and the addresses of its services to administrators only: "
                "give the configured user the role admin in its project"
            )
        addresses = {name: _address(raw, name) for name in SERVICES}
        cidrs = [_cidr(raw, name) for name in ("cidr", "cidr_v6")]
        gateways = [addresses[name] for name in ("gateway", "gateway_v6")]
        return cls(
            id=_text(raw, "id"),
            label=str(raw.get("label") or ""),
            project_id=str(raw.get("project_id") or "") or None,
            vlan=_number(raw, "vlan"),
            mtu=_number(raw, "mtu"),
            cidrs=tuple(item for item in cidrs if item is not None),
            gateways=tuple(item for item in gateways if item is not None),
            services=frozenset(item for item in addresses.values() if item is not None),
            shares_addresses=not raw.get("multi_host") or raw.get("share_address") is True,
        )

    def segment(self, physical_network: str | None, mtu: int | None) -> Segment:
        """The wire and its subnets; ``mtu`` counts where nova says none."""
        return Segment(
            network_type=NetworkType.FLAT if self.vlan is None else NetworkType.VLAN,
            segmentation_id=self.vlan,
            physical_network=physical_network,
            mtu=self.mtu or mtu or ETHERNET_MTU,
            subnets=tuple(
                Subnet(cidr=item, gateway=self._gateway(item.version)) for item in self.cidrs
            ),
        )

    def _gateway(self, version: int) -> IPAddress | None:
        return next((item for item in self.gateways if item.version == version), None)

    def services_in(self, cidr: IPNetwork) -> Iterator[IPAddress]:
        """The addresses of that subnet that services have."""
        return (item for item in self.services if item in cidr)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIp:
    """What nova knows of an address."""

    cidr: IPNetwork
    holder: str | None
    """The instance that has it, and its host."""
    reserved: bool

    @classmethod
    def parse(cls, raw: Answer) -> FixedIp:
        """From an answer."""
        if not isinstance(raw.get("reserved"), bool):
            raise InvalidNetwork(
                "nova does not say whether an address is reserved: it must be 12 (Liberty) or "
                "later, and its endpoint end with /v2.1"
            )
        cidr = _cidr(raw, "cidr")
        if cidr is None:
            raise NetworkUnavailable("nova's answer has no cidr for a fixed IP")
        names = [str(raw[name]) for name in ("hostname", "host") if raw.get(name)]
        return cls(cidr=cidr, holder=" on ".join(names) or None, reserved=raw["reserved"] is True)


def _text(raw: Answer, name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        raise NetworkUnavailable(f"nova's answer has no {name} that can be understood: {value!r}")
    return value


def _number(raw: Answer, name: str) -> int | None:
    value = raw.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise NetworkUnavailable(f"nova's answer has no {name} that can be understood: {value!r}")


def _address(raw: Answer, name: str) -> IPAddress | None:
    if not raw.get(name):
        return None
    try:
        return ip_address(_text(raw, name))
    except ValueError as error:
        raise NetworkUnavailable(f"nova's answer: {name}: {error}") from error


def _cidr(raw: Answer, name: str) -> IPNetwork | None:
    if not raw.get(name):
        return None
    try:
        return ip_network(_text(raw, name), strict=False)
    except ValueError as error:
        raise NetworkUnavailable(f"nova's answer: {name}: {error}") from error
