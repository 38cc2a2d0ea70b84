"""The wires of this host, for network plugins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from abaca.errors import InvalidNetwork, LinuxError, NetworkUnavailable
from abaca.linux.fabric import Leg, LinuxFabric, Wire
from abaca.linux.links import IPAddress, IPInterface
from abaca.linux.switches import WireUnknown
from abaca.network.plugin import RouterLeg, Segment


def flat_wire(name: str | None) -> Wire:
    """A wire of bridge_mappings, or (None) that of flat_multi_svm; MTUs don't matter there."""
    return Wire(network_type="flat", segmentation_id=None, physical_network=name, mtu=1500)


def wire_of(segment: Segment) -> Wire:
    """The layer 2 part of a segment."""
    return Wire(
        network_type=str(segment.network_type),
        segmentation_id=segment.segmentation_id,
        physical_network=segment.physical_network,
        mtu=segment.mtu,
    )


@dataclass(frozen=True, slots=True)
class HostFabric:
    """`abaca.network.plugin.Fabric` on the wires of this host; raises NetworkError only."""

    wires: LinuxFabric

    def ensure_router(self, name: str, legs: Sequence[RouterLeg]) -> None:
        """A router of this name joins the legs; an address has the prefix of its subnet."""
        with _translated():
            self.wires.ensure_router(
                name,
                [
                    Leg(
                        wire=wire_of(leg.segment),
                        addresses=tuple(_in_subnet(leg.segment, item) for item in leg.addresses),
                    )
                    for leg in legs
                ],
            )

    def remove_router(self, name: str) -> None:
        """Take it away with its links; succeeds on unknown."""
        with _translated():
            self.wires.remove_router(name)

    def routers(self) -> list[str]:
        """Names of the routers that exist on this host."""
        with _translated():
            return self.wires.routers()

    def plug(
        self,
        segment: Segment,
        *,
        netns: str,
        interface: str,
        addresses: tuple[str, ...],
        gateway: str | None,
    ) -> None:
        """Put an interface with these ``address/prefix`` on the segment into their namespace."""
        with _translated():
            self.wires.attach(
                wire_of(segment),
                netns=netns,
                interface=interface,
                mac=None,
                addresses=tuple(ip_interface(text) for text in addresses),
                gateways=(ip_address(gateway),) if gateway else (),
                ours=False,
            )

    def unplug(self, segment: Segment, *, netns: str, interface: str) -> None:
        """Take such an interface away again; succeeds on unknown."""
        with _translated():
            self.wires.detach(netns, interface, wire_of(segment))

    def plug_bridge(self, segment: Segment, *, bridge: str) -> None:
        """Join the segment with a bridge of a tenant's in the namespace of this process."""
        with _translated():
            self.wires.join_bridge(wire_of(segment), bridge)

    def unplug_bridge(self, segment: Segment, *, bridge: str) -> None:
        """Part them again; succeeds on unknown."""
        with _translated():
            self.wires.leave_bridge(wire_of(segment), bridge)

    def who_has(
        self, addresses: Collection[IPAddress], *, wire: str | None, seconds: float
    ) -> dict[IPAddress, str]:
        """Who answers for these on a flat wire."""
        with _translated():
            return self.wires.who_has(flat_wire(wire), addresses, seconds=seconds)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except WireUnknown as failure:
        raise InvalidNetwork(failure.message) from failure
    except LinuxError as failure:
        raise NetworkUnavailable(failure.message) from failure


def _in_subnet(segment: Segment, address: IPAddress) -> IPInterface:
    for subnet in segment.subnets:
        if address.version == subnet.cidr.version and address in subnet.cidr:
            return ip_interface(f"{address}/{subnet.cidr.prefixlen}")
    raise InvalidNetwork(f"router address {address} is in no subnet of {wire_of(segment)}")
