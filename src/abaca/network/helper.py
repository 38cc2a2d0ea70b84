"""The network helper: the one object through which a driver gets addresses.

The share manager makes one per share server and hands it to the driver, so a
driver can't allocate for another server. All calls are idempotent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from abaca.network.plugin import Allocation, IPAddress, IPNetwork, NetworkType, Route, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperSubnet:
    """What a share server must know of the IP network that it is on."""

    cidr: IPNetwork
    gateway: IPAddress | None
    mtu: int
    routes: tuple[Route, ...] = ()

    @property
    def network_address(self) -> IPAddress:
        """First address of the network."""
        return self.cidr.network_address

    @property
    def netmask(self) -> IPAddress:
        """Netmask in address form."""
        return self.cidr.netmask

    @property
    def prefix_length(self) -> int:
        """Netmask as a number of bits."""
        return self.cidr.prefixlen

    @property
    def broadcast(self) -> IPAddress | None:
        """Broadcast address; IPv6 has none."""
        return self.cidr.broadcast_address if self.cidr.version == 4 else None  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperAddress:
    """An address for the share server, with the subnet that it is in."""

    address: IPAddress
    subnet: HelperSubnet


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperInterface:
    """Managed mode: one interface of the share server on one segment."""

    index: int
    segmentation_type: NetworkType
    segmentation_id: int | None
    physical_network: str | None
    mtu: int
    mac_address: str | None
    addresses: tuple[HelperAddress, ...]
    """One per IP version of the segment, at least one."""

    @property
    def network_address(self) -> IPAddress:
        """Of the first address."""
        return self.addresses[0].subnet.network_address

    @property
    def netmask(self) -> IPAddress:
        """Of the first address."""
        return self.addresses[0].subnet.netmask

    @property
    def broadcast(self) -> IPAddress | None:
        """Of the first address."""
        return self.addresses[0].subnet.broadcast

    @property
    def gateway(self) -> IPAddress | None:
        """Of the first address."""
        return self.addresses[0].subnet.gateway

    @property
    def address(self) -> IPAddress:
        """The first address."""
        return self.addresses[0].address

    @property
    def routes(self) -> tuple[Route, ...]:
        """Routes of all its subnets."""
        return tuple(route for item in self.addresses for route in item.subnet.routes)


def subnets_of(segment: Segment) -> tuple[HelperSubnet, ...]:
    """What a driver is told of a segment's subnets, in their order."""
    return tuple(
        HelperSubnet(cidr=item.cidr, gateway=item.gateway, mtu=segment.mtu, routes=item.routes)
        for item in segment.subnets
    )


def addresses_of(found: Allocation) -> tuple[HelperAddress, ...]:
    """An allocation's addresses, each with its subnet."""
    return tuple(
        HelperAddress(address=address, subnet=subnet)
        for address, subnet in zip(found.addresses, subnets_of(found.segment), strict=True)
    )


def overlap(
    some: Iterable[Allocation], others: Iterable[Allocation]
) -> tuple[IPNetwork, IPNetwork] | None:
    """A network of one with a network of another that it overlaps; None if none does."""
    for one, two in product(_cidrs(some), _cidrs(others)):
        if one.version == two.version and one.overlaps(two):
            return one, two
    return None


def _cidrs(items: Iterable[Allocation]) -> set[IPNetwork]:
    return {subnet.cidr for item in items for subnet in item.segment.subnets}


def interface_of(index: int, found: Allocation) -> HelperInterface:
    """An allocation as an interface: the server's one of this number."""
    return HelperInterface(
        index=index,
        segmentation_type=found.segment.network_type,
        segmentation_id=found.segment.segmentation_id,
        physical_network=found.segment.physical_network,
        mtu=found.segment.mtu,
        mac_address=found.mac_address,
        addresses=addresses_of(found),
    )


class FlatHelper(Protocol):
    """What a driver gets in ``flat_multi_svm``."""

    @property
    def subnet(self) -> HelperSubnet:
        """The backend's flat network: the same on every call and for every server."""

    @property
    def subnets(self) -> tuple[HelperSubnet, ...]:
        """The same network's subnets, one per IP version; the first is `subnet`."""

    @property
    def admin(self) -> FlatHelper | None:
        """The administrators' network, on which the server needs addresses too; often None."""

    def addresses(self, count: int = 1) -> tuple[HelperAddress, ...]:
        """``count`` addresses in each of the subnets; the same ones on every call."""


class ManagedHelper(Protocol):
    """What a driver gets in ``managed_multi_svm``."""

    @property
    def admin(self) -> FlatHelper | None:
        """The administrators' network, on which the server needs addresses too; often None."""

    def interfaces(self, count: int = 1) -> tuple[HelperInterface, ...]:
        """``count`` interfaces on each of the server's subnets; the same ones on every call."""
