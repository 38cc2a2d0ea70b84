"""The Neutron plugin: share servers' addresses are ports of a Neutron.

Flat: ports on the configured network. Managed ``direct``: on the tenant's subnet,
which the share network names. Managed ``routed``: on a network of ours with an
interface of the tenant's router. What Neutron knows is all there is: nothing is
kept here, nothing is cached, and every call may be repeated by another process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from oslo_config import cfg

from abaca.errors import (
    AllocationConflict,
    AllocationLost,
    InvalidNetwork,
    NetworkNotFound,
    NetworkUnavailable,
)
from abaca.modes import MULTI_MODES, DriverMode
from abaca.network import ipam, neutron_config
from abaca.network.neutron_config import Settings
from abaca.network.neutron_networks import Networks, Place
from abaca.network.neutron_ports import Ports
from abaca.network.neutron_probe import findings
from abaca.network.neutron_remote import Remote
from abaca.network.neutron_routed import ServiceNetworks
from abaca.network.neutron_values import NeutronPort
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    PluginHost,
    Route,
    Segment,
    SubnetRef,
)


class NeutronPlugin:
    """`NetworkPlugin`, `NetworkMaker`, `KnowsIds`, `TenantRoutes`, `Reachable` on a Neutron."""

    name: ClassVar[str] = "neutron"
    modes: ClassVar[frozenset[DriverMode]] = MULTI_MODES
    options: ClassVar[tuple[cfg.Opt, ...]] = neutron_config.OPTIONS

    def __init__(self, settings: Settings, remote: Remote) -> None:
        self._settings = settings
        self.remote = remote
        """For tests, which count its calls."""
        self._ports = Ports(settings, remote)
        self._networks = Networks(settings, remote)
        self._service = (
            ServiceNetworks(settings.owner_tag, settings.carving, self._networks, remote)
            if settings.carving is not None
            else None
        )

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with the section, one line per fault that says what to write."""
        return neutron_config.faults(section, values, mode)

    @classmethod
    def findings(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What Neutron makes impossible; asks it."""
        settings = Settings.parse(section, values, mode)
        return findings(settings, Remote(settings.access))

    def network_ids(self) -> frozenset[str]:
        """Share networks name networks of Neutron by this one."""
        return frozenset({"neutron_net_id"})

    @classmethod
    def from_config(
        cls, section: str, values: Mapping[str, object], host: PluginHost
    ) -> NeutronPlugin:
        """Make the instance for a network section; asks nobody yet."""
        settings = Settings.parse(section, values, host.mode)
        return cls(settings, Remote(settings.access))

    def status(self) -> None:
        """Return if Neutron answers; flat: and has the network."""
        if self._settings.network is not None:
            self._networks.flat()
        else:
            self.remote.extensions()

    def describe(self, subnet: SubnetRef) -> Segment:
        """What the subnet is: NetworkNotFound if a network of ours has not been made yet."""
        return self._place(subnet).segment

    def _place(self, subnet: SubnetRef) -> Place:
        if self._settings.network is not None:
            return self._networks.flat()
        if self._service is not None:
            return self._service.place(subnet)
        return self._networks.tenants(subnet)

    def allocate(
        self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str
    ) -> list[Allocation]:
        """A port per claim, those that are missing made in one call."""
        try:
            place = self._place(subnet)
            held = self._ports.of(claims)
            missing = [claim for claim in dict.fromkeys(claims) if claim not in held]
            if missing:
                held |= self._ports.make(place, missing, host)
        except NetworkNotFound as error:
            if self._service is None:
                raise
            # The last server on it was removed between `ensure_network` and now.
            raise NetworkUnavailable(f"the network of {subnet.key} has just gone") from error
        return [_allocation(claim, place, self._ports.bound(held[claim], host)) for claim in claims]

    def check(self, allocations: Sequence[Allocation]) -> None:
        """AllocationLost if a port or an address of it has gone, NetworkUnavailable if unusable."""
        held = self._ports.of([item.claim for item in allocations])
        for item in allocations:
            port = held.get(item.claim)
            if port is None or port.id != item.id:
                raise AllocationLost(f"port {item.id} of share server {item.claim.owner} has gone")
            if lost := set(item.addresses) - {address for _, address in port.addresses}:
                raise AllocationLost(
                    f"port {port.id} no longer has {', '.join(sorted(map(str, lost)))}"
                )
        for item in allocations:
            self._ports.usable(held[item.claim])
        if self._service is not None:
            for network_id in sorted({held[item.claim].network_id for item in allocations}):
                self._service.joined(network_id, active=self._settings.ports.wait_active)

    def release(self, claims: Collection[Claim]) -> None:
        """Delete the ports, wherever they are."""
        self._ports.release(claims)

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """Make ports with these addresses, or take over forgotten ones.

        Everything is looked at before anything is changed. The next `allocate` says
        on which host they are.
        """
        place = self._place(subnet)
        by_claim: defaultdict[Claim, list[IPAddress]] = defaultdict(list)
        for address, claim in wanted.items():
            _adoptable(place, address)
            by_claim[claim].append(address)
        there = {
            claim: self._there(place, claim, addresses) for claim, addresses in by_claim.items()
        }
        held = {claim: port for claim, port in there.items() if port is not None}
        for claim, port in held.items():
            if port.device_owner == self._ports.forgotten_tag:
                held[claim] = self._ports.take_over(port, claim)
        missing = [claim for claim, port in there.items() if port is None]
        if missing:
            held |= self._ports.make(place, missing, None, by_claim)
        return [_allocation(claim, place, held[claim]) for claim in by_claim]

    def _there(
        self, place: Place, claim: Claim, addresses: Sequence[IPAddress]
    ) -> NeutronPort | None:
        """The port that has them, if the claim has it or may have it; None if nobody has them."""
        own = self._ports.of([claim]).get(claim)
        found = [self._ports.at(place, address) for address in addresses]
        for address, port in zip(addresses, found, strict=True):
            if port is None:
                if own is not None or any(found):
                    raise AllocationConflict(f"{address} is not an address of {claim.owner}'s port")
                continue
            ours = self._ports.is_ours(port) and port.device_owner == self._ports.forgotten_tag
            if (own is not None and port.id != own.id) or (own is None and not ours):
                raise AllocationConflict(f"{address} belongs to port {port.id} of another")
            if port != found[0]:
                raise AllocationConflict(f"{address} and {addresses[0]} are of different ports")
        return found[0]

    def forget(self, claims: Collection[Claim]) -> None:
        """Leave the ports, as nobody's: the addresses stay out of circulation."""
        self._ports.forget(claims)

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Delete ports and networks that carry our tag and that no claim of ``keep`` needs."""
        removed = []
        for port in self._ports.orphans(keep, older_than):
            self._ports.remove(port)
            removed.append(_told(port))
        if self._service is not None:
            removed += self._service.collect({item.subnet for item in keep}, older_than)
        return removed

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """What `collect` would delete."""
        ports = self._ports.orphans(keep, older_than)
        found = [_told(port) for port in ports]
        if self._service is not None:
            needed, lost = {item.subnet for item in keep}, {port.id for port in ports}
            found += self._service.orphans(needed, older_than, lost)
        return found

    def makes_networks(self) -> bool:
        """False: also ``routed`` needs a share network that names the tenant's network."""
        return False

    def ensure_network(self, subnet: SubnetRef, *, host: str) -> None:
        """``routed``: the service network and the router's interface on it exist."""
        del host
        if self._service is not None:
            self._service.ensure(subnet)

    def remove_network(self, subnet: SubnetRef, *, host: str) -> None:
        """``routed``: both are gone, unless a server is still on it."""
        del host
        if self._service is not None:
            self._service.remove(subnet.key)

    def tenant_routes(self, subnet: SubnetRef) -> tuple[Route, ...]:
        """``routed``, where the router is not the gateway of the tenant's subnet."""
        return () if self._service is None else self._service.tenant_routes(subnet)


def _told(port: NeutronPort) -> str:
    addresses = ", ".join(str(address) for _, address in port.addresses)
    return f"port {port.id} ({addresses}) of share server {port.device_id}"


def _adoptable(place: Place, address: IPAddress) -> None:
    part = next((item.value for item in place.subnets if address in item.value.cidr), None)
    if part is None:
        cidrs = ", ".join(str(item.value.cidr) for item in place.subnets)
        raise AllocationConflict(f"{address} is not inside {cidrs}")
    if address in ipam.reserved(part.cidr, [part.gateway]):
        raise AllocationConflict(f"{address} is reserved in {part.cidr}")


def _allocation(claim: Claim, place: Place, port: NeutronPort) -> Allocation:
    if port.network_id != place.network.id:
        raise AllocationConflict(
            f"share server {claim.owner} has port {port.id} on network {port.network_id}, but "
            f"{claim.subnet} is network {place.network.id} now"
        )
    addresses = [port.address_in(item.id) for item in place.subnets]
    found = tuple(item for item in addresses if item is not None)
    if len(found) < len(addresses):
        raise InvalidNetwork(
            f"port {port.id} has no address in one of the subnets "
            f"{', '.join(str(item.value.cidr) for item in place.subnets)}"
        )
    return Allocation(
        claim=claim,
        id=port.id,
        addresses=found,
        mac_address=port.mac_address,
        segment=place.segment,
    )
