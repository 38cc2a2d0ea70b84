"""The nova plugin: addresses of nova-network's networks, for the sites that still run it.

Flat: the network that the section names. Managed: the one whose ID the share
network has as ``nova_net_id``, on its VLAN. A share server's IPv4 address is
reserved in nova, so that no instance gets it; its IPv6 address is in the ledger
only, since nova keeps no record of those.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from oslo_config import cfg

from abaca.errors import (
    AllocationConflict,
    AllocationLost,
    NetworkError,
)
from abaca.modes import MULTI_MODES, DriverMode
from abaca.network import ipam, nova_config, nova_pools
from abaca.network.nova_api import NovaApi
from abaca.network.nova_config import Settings
from abaca.network.nova_networks import Networks
from abaca.network.nova_pools import Pool
from abaca.network.nova_reserving import Reserving
from abaca.network.nova_values import FixedIp, NovaNetwork
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    IPNetwork,
    PluginHost,
    Segment,
    SubnetRef,
)

NAMESPACE = uuid.UUID("0d0a3a6e-5a0b-5c0e-8a5c-0f7a4f6b2c1d")


class NovaPlugin:
    """`NetworkPlugin`, `Reachable`, `ShowsOrphans` and `KnowsIds` on nova and the ledger."""

    name: ClassVar[str] = "nova"
    modes: ClassVar[frozenset[DriverMode]] = MULTI_MODES
    options: ClassVar[tuple[cfg.Opt, ...]] = nova_config.OPTIONS

    def __init__(self, section: str, settings: Settings, host: PluginHost, api: NovaApi) -> None:
        self._section = section
        self._settings = settings
        self._ledger = host.ledger
        self._api = api
        self._networks = Networks(api, settings)
        self._reserving = Reserving(api, host.ledger, settings.rest_seconds)

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with the section, one line per fault that says what to write."""
        return nova_config.faults(section, values, mode)

    @classmethod
    def from_config(
        cls, section: str, values: Mapping[str, object], host: PluginHost
    ) -> NovaPlugin:
        """Make the instance for a network section; InvalidNetwork if it has `faults`."""
        settings = Settings.parse(section, values, host.mode)
        return cls(section, settings, host, NovaApi(settings.access))

    @classmethod
    def findings(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What nova has against the section: endpoint, credentials, network, rights."""
        try:
            settings = Settings.parse(section, values, mode)
            Networks(NovaApi(settings.access), settings).ask()
        except NetworkError as error:
            return [f"[{section}] {error}"]
        return []

    def network_ids(self) -> frozenset[str]:
        """Share networks name networks of nova-network by this one."""
        return frozenset({"nova_net_id"})

    def status(self) -> None:
        """Return if nova answers, to an administrator, and has the section's network."""
        self._networks.ask()

    def describe(self, subnet: SubnetRef) -> Segment:
        """What the subnet is, as nova says now."""
        return self._segment(self._networks.find(subnet))

    def _segment(self, network: NovaNetwork) -> Segment:
        return network.segment(self._settings.physical_network, self._settings.mtu)

    def _pools(self, network: NovaNetwork) -> tuple[Pool, ...]:
        return nova_pools.pools(network, self._settings.ranges)

    def allocate(
        self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str
    ) -> list[Allocation]:
        """One allocation per claim; nova-network does not care on which ``host``."""
        del host
        network = self._networks.find(subnet)
        taken = [self._reserving.take(pool, claims) for pool in self._pools(network)]
        segment = self._segment(network)
        return [_allocation(item, taken, segment) for item in claims]

    def check(self, allocations: Sequence[Allocation]) -> None:
        """AllocationLost unless the ledger and nova still say that the addresses are ours."""
        held = self._ledger.held([item.claim for item in allocations])
        for item in allocations:
            have = {address for (claim, _), address in held.items() if claim == item.claim}
            for address, subnet in zip(item.addresses, item.segment.subnets, strict=True):
                reason = "" if address in have else "it is not in the ledger"
                if not reason and subnet.cidr.version == ipam.IPV4:
                    reason = _lost(self._api.fixed_ip(address), subnet.cidr)
                if reason:
                    raise AllocationLost(
                        f"share server {item.claim.owner} no longer has {address}: {reason}"
                    )

    def release(self, claims: Collection[Claim]) -> None:
        """Unreserve in nova, then free in the ledger. A network that is gone needs no nova."""
        held = self._ledger.held(claims)
        gone: dict[str, bool] = {}
        for network_id, address in nova_pools.marked(held):
            # Its range may belong to another network by now, and the reservation to others.
            if network_id not in gone:
                gone[network_id] = self._api.network(network_id) is None
            if not gone[network_id]:
                self._api.unreserve(address)
        self._ledger.give_back(claims)

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """Take over addresses in use: inside the network, but not necessarily in the ranges.

        After a conflict the other addresses stay out of circulation, since
        something uses them; adopting them again is possible.
        """
        found = self._pools(self._networks.find(subnet))
        parts = nova_pools.by_pool(found, wanted)
        claims = list(dict.fromkeys(wanted.values()))
        before = {claim for claim, _ in self._ledger.held(claims)}
        for pool, part in zip(found, parts, strict=True):
            self._reserving.adoptable(pool, part)
        try:
            for pool, part in zip(found, parts, strict=True):
                self._reserving.take_these(pool, part)
        except AllocationConflict:
            self._ledger.forget([item for item in claims if item not in before])
            raise
        return self.allocate(subnet, claims, host="")

    def forget(self, claims: Collection[Claim]) -> None:
        """The addresses stay reserved, in nova and in the ledger, as nobody's."""
        self._ledger.forget(claims)

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Release what the ledger says is ours and no row of the helper claims.

        On networks of this nova: another section's may have other ones. What is
        reserved without being in the ledger is not ours, and stays.
        """
        lost = self._orphaned(keep, older_than)
        for claims in lost:
            self.release(claims)
        return [_told(item) for claims in lost for item in claims]

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """What `collect` would release."""
        return [_told(item) for claims in self._orphaned(keep, older_than) for item in claims]

    def _orphaned(self, keep: Collection[Claim], older_than: datetime) -> list[list[Claim]]:
        """By network."""
        kept, lost = set(keep), []
        found = [*self._ledger.pools(nova_pools.TAKEN), *self._ledger.pools(nova_pools.MARKED)]
        for network_id in sorted({nova_pools.network_of(pool) for pool in found}):
            owned = self._ledger.owned(nova_pools.names(network_id), older_than)
            claims = [item for item in owned if item not in kept]
            if claims and self._api.network(network_id) is not None:
                lost.append(claims)
        return lost


def _told(lost: Claim) -> str:
    return f"address {lost.index} of share server {lost.owner}"


def _lost(found: FixedIp | None, cidr: IPNetwork) -> str:
    """Why the address is not ours in nova any more; empty if it is."""
    if found is None or found.cidr != cidr:
        return f"nova has no network {cidr} with it"
    if found.holder is not None:
        return f"instance {found.holder} has it"
    return "" if found.reserved else "nova has it free"


def _allocation(
    claim: Claim, taken: Sequence[Mapping[Claim, IPAddress]], segment: Segment
) -> Allocation:
    handle = f"{claim.owner}/{claim.label}/{claim.subnet}/{claim.index}"
    return Allocation(
        claim=claim,
        id=str(uuid.uuid5(NAMESPACE, handle)),
        addresses=tuple(pool[claim] for pool in taken),
        mac_address=_mac(handle),
        segment=segment,
    )


def _mac(handle: str) -> str:
    """Locally administered, and not as nova makes them (fa:16:3e)."""
    octets = hashlib.sha256(handle.encode()).digest()[:5]
    return ":".join(["02", *(f"{octet:02x}" for octet in octets)])
