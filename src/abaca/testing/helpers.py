"""Network helpers with fixed answers, for tests of drivers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from abaca.network.helper import HelperAddress, HelperInterface, HelperSubnet
from abaca.network.plugin import NetworkType


def subnet(cidr: str, *, gateway: str | None = None, mtu: int = 1500) -> HelperSubnet:
    """A subnet by its CIDR."""
    return HelperSubnet(
        cidr=ip_network(cidr), gateway=ip_address(gateway) if gateway else None, mtu=mtu
    )


def address(text: str, *, gateway: str | None = None, mtu: int = 1500) -> HelperAddress:
    """An address with prefix, in its subnet."""
    plain, _, prefix = text.partition("/")
    network = ip_network(f"{plain}/{prefix}", strict=False)
    return HelperAddress(
        address=ip_address(plain), subnet=subnet(str(network), gateway=gateway, mtu=mtu)
    )


@dataclass(frozen=True)
class FixedFlat:
    """A flat helper that always gives these."""

    given: tuple[HelperAddress, ...]
    admin: FixedFlat | None = None

    @property
    def subnet(self) -> HelperSubnet:
        """The first subnet."""
        return self.given[0].subnet

    @property
    def subnets(self) -> tuple[HelperSubnet, ...]:
        """All subnets."""
        return tuple(item.subnet for item in self.given)

    def addresses(self, count: int = 1) -> tuple[HelperAddress, ...]:
        """The same ones on every call."""
        assert count == 1
        return self.given


@dataclass(frozen=True)
class FixedManaged:
    """A managed helper that always gives these."""

    given: tuple[HelperInterface, ...]
    admin: FixedFlat | None = None

    def interfaces(self, count: int = 1) -> tuple[HelperInterface, ...]:
        """The same ones on every call."""
        assert count == 1
        return self.given


def vxlan(vni: int, *addresses: str, mtu: int = 1450) -> HelperInterface:
    """An interface on a VXLAN."""
    return HelperInterface(
        index=0,
        segmentation_type=NetworkType.VXLAN,
        segmentation_id=vni,
        physical_network=None,
        mtu=mtu,
        mac_address=None,
        addresses=tuple(address(text, mtu=mtu) for text in addresses),
    )
