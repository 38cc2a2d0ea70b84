"""A `Fabric` that only remembers, and refuses what no real one could do."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from ipaddress import ip_interface

from abaca.errors import InvalidNetwork
from abaca.network.plugin import IPAddress, RouterLeg, Segment

MAX_NAME = 60


class RecordingFabric:
    """`abaca.network.plugin.Fabric` in memory; what is there can be read off it."""

    def __init__(self) -> None:
        self.legs: dict[str, tuple[RouterLeg, ...]] = {}
        self.plugs: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}
        """By namespace and interface: the wire, and the addresses with prefix."""
        self.bridges: dict[str, str] = {}
        """By bridge: the wire that it is joined with."""
        self.others: dict[IPAddress, str] = {}
        """Who else is on the flat wire: MAC addresses by address."""
        self.asked: list[IPAddress] = []
        """What was asked for, in order."""
        self._lock = threading.Lock()

    def ensure_router(self, name: str, legs: Sequence[RouterLeg]) -> None:
        """A router joins these legs, whatever it joined before."""
        assert 0 < len(name) <= MAX_NAME, name
        assert len({leg.segment.wire for leg in legs}) == len(legs), "two legs on one wire"
        for leg in legs:
            assert leg.addresses, "a leg without an address"
            for address in leg.addresses:
                assert any(address in item.cidr for item in leg.segment.subnets), address
        with self._lock:
            self.legs[name] = tuple(legs)

    def remove_router(self, name: str) -> None:
        """No such router is there any more."""
        with self._lock:
            self.legs.pop(name, None)

    def routers(self) -> list[str]:
        """The names of those that are there."""
        with self._lock:
            return sorted(self.legs)

    def plug(
        self,
        segment: Segment,
        *,
        netns: str,
        interface: str,
        addresses: tuple[str, ...],
        gateway: str | None,
    ) -> None:
        """The namespace has this interface on the segment."""
        del gateway
        for text in addresses:
            assert any(ip_interface(text).network == item.cidr for item in segment.subnets), text
        with self._lock:
            self.plugs[netns, interface] = (segment.wire, addresses)

    def unplug(self, segment: Segment, *, netns: str, interface: str) -> None:
        """It has it no more."""
        del segment
        with self._lock:
            self.plugs.pop((netns, interface), None)

    def plug_bridge(self, segment: Segment, *, bridge: str) -> None:
        """The bridge is on the segment, and on no other."""
        with self._lock:
            if self.bridges.setdefault(bridge, segment.wire) != segment.wire:
                raise InvalidNetwork(f"{bridge} is joined with {self.bridges[bridge]} already")

    def unplug_bridge(self, segment: Segment, *, bridge: str) -> None:
        """It is not on this one."""
        with self._lock:
            if self.bridges.get(bridge) == segment.wire:
                del self.bridges[bridge]

    def who_has(
        self, addresses: Collection[IPAddress], *, wire: str | None, seconds: float
    ) -> dict[IPAddress, str]:
        """Those of the others who have one of these."""
        del wire, seconds
        with self._lock:
            self.asked += addresses
            return {item: self.others[item] for item in addresses if item in self.others}
