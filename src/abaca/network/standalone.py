"""The standalone plugin: addresses and networks from Abaca's own database, nothing else needed.

Flat: the network is the section's. Managed: a subnet that names a network is
resolved to a tenant network that an administrator registered, and the server
sits on it (``direct``) or on a network of ours that a router joins with it
(``routed``); a subnet that names none gets a network of its own, which machines
of the tenant join. A ``subnet_id`` is not looked at: a tenant network has one
subnet per IP version, and a server an address in each.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
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
from abaca.network import standalone_config
from abaca.network.plugin import (
    AddressPool,
    Allocation,
    Claim,
    IPAddress,
    PluginHost,
    Route,
    Segment,
    SubnetRef,
    TenantNetwork,
)
from abaca.network.standalone_config import Settings
from abaca.network.standalone_networks import (
    EVER,
    OWN_OWNERS,
    ROUTER,
    OwnNetworks,
    Pool,
    flat_pools,
    made_prefix,
    tenant_pools,
)
from abaca.network.standalone_probe import Probing

NAMESPACE = uuid.UUID("6f0f2f0c-2a43-5d0e-9a43-6f2f6f1f7c11")


class StandalonePlugin:
    """`NetworkPlugin`, `NetworkMaker` and most of what is optional, on the database."""

    name: ClassVar[str] = "standalone"
    modes: ClassVar[frozenset[DriverMode]] = MULTI_MODES
    options: ClassVar[tuple[cfg.Opt, ...]] = standalone_config.OPTIONS

    def __init__(self, section: str, settings: Settings, host: PluginHost) -> None:
        self._section = section
        self._settings = settings
        self._host = host
        self._ledger = host.ledger
        self._own = OwnNetworks(section, settings, host)
        self._probing = Probing(section, settings, host)

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with the section, one line per fault that says what to write."""
        return standalone_config.faults(section, values, mode)

    @classmethod
    def from_config(
        cls, section: str, values: Mapping[str, object], host: PluginHost
    ) -> StandalonePlugin:
        """Make the instance for a network section; InvalidNetwork if it has `faults`."""
        return cls(section, Settings.parse(section, values, host.mode), host)

    @classmethod
    def flat_ranges(
        cls, section: str, values: Mapping[str, object]
    ) -> tuple[Segment, tuple[tuple[IPAddress, IPAddress], ...]]:
        """The section's network, and the ranges that it gives addresses of."""
        settings = Settings.parse(section, values, DriverMode.FLAT)
        if settings.flat is None:
            raise InvalidNetwork(f"[{section}] has no flat network")
        return settings.flat, tuple(pair for item in settings.families for pair in item.ranges)

    @classmethod
    def address_pools(cls, section: str, values: Mapping[str, object]) -> tuple[AddressPool, ...]:
        """The pools of a flat section, as it is now."""
        settings = Settings.parse(section, values, DriverMode.FLAT)
        return tuple(
            AddressPool(
                name=pool.name,
                network=section,
                cidr=pool.subnet.cidr,
                ranges=pool.ranges,
                reserved=pool.reserved,
                rest_seconds=settings.rest_seconds,
                warn_percent=settings.warn_percent,
            )
            for pool in flat_pools(section, settings)
        )

    @classmethod
    def needs_wires(cls, values: Mapping[str, object], mode: DriverMode) -> str | None:
        """Routers, and asking for addresses, are done on them."""
        settings = Settings.parse("", values, mode)
        if settings.probe is not None:
            return "probe_addresses"
        return "connectivity" if settings.routed else None

    def status(self) -> None:
        """Return if `allocate` can work; ``routed`` and probing need wires on this host."""
        self._probing.ready()
        if self._settings.routed:
            self._own.fabric()

    def describe(self, subnet: SubnetRef) -> Segment:
        """What the subnet is: NetworkNotFound if a network of ours has not been made yet."""
        if self._settings.flat is not None:
            return self._settings.flat
        if not subnet.net_id:
            return self._own.get(subnet)
        tenant = self._tenant(subnet)
        if not self._settings.routed:
            return tenant.segment
        return _leading_to(self._own.get(subnet), tenant.segment)

    def _tenant(self, subnet: SubnetRef) -> TenantNetwork:
        if not (subnet.project_id and subnet.net_id):
            raise InvalidNetwork(f"subnet {subnet.key} names no network of a project")
        found = self._host.registry.tenant_network(subnet.project_id, subnet.net_id)
        if found is None:
            raise NetworkNotFound(
                f"project {subnet.project_id} has no registered network {subnet.net_id}; an "
                "administrator adds one with `abaca network tenant add`"
            )
        return found

    def _pools(self, subnet: SubnetRef, segment: Segment) -> list[Pool]:
        """One pool per subnet of the segment, in its order."""
        if self._settings.flat is not None:
            return flat_pools(self._section, self._settings)
        if not subnet.net_id or self._settings.routed:
            return self._own.pools(subnet, segment)
        return tenant_pools(self._tenant(subnet))

    def allocate(
        self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str
    ) -> list[Allocation]:
        """One allocation per claim; ``host`` makes no difference to a ledger."""
        del host
        segment = self.describe(subnet)
        taken = [self._take(pool, claims) for pool in self._pools(subnet, segment)]
        if self._settings.flat is None:
            self._still_there(subnet, segment, claims)
        return [_allocation(item, taken, segment) for item in claims]

    def _take(self, pool: Pool, claims: Sequence[Claim]) -> dict[Claim, IPAddress]:
        """An address of the pool for each claim, which on a flat network nobody else has."""
        flat = self._settings.flat is not None
        return self._probing.take(pool, claims) if flat else self._own.take(pool, claims)

    def _still_there(self, subnet: SubnetRef, segment: Segment, claims: Sequence[Claim]) -> None:
        """A network of ours may have gone with its last server while we took an address of it."""
        try:
            same = self.describe(subnet) == segment
        except NetworkNotFound:
            same = False
        if not same:
            self._ledger.give_back(claims)
            raise NetworkUnavailable(f"the network of {subnet.key} changed meanwhile")

    def check(self, allocations: Sequence[Allocation]) -> None:
        """AllocationLost unless each claim holds each of its addresses."""
        held = self._ledger.held([item.claim for item in allocations])
        for item in allocations:
            have = {address for (claim, _), address in held.items() if claim == item.claim}
            if lost := set(item.addresses) - have:
                raise AllocationLost(
                    f"share server {item.claim.owner} no longer holds "
                    f"{', '.join(sorted(map(str, lost)))}"
                )

    def release(self, claims: Collection[Claim]) -> None:
        """Give the addresses back, in whatever pools they are."""
        self._ledger.give_back(claims)

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """Take over addresses in use: inside the network, but not necessarily in the ranges.

        After a conflict the other addresses stay out of circulation, since
        something uses them; adopting them again is possible.
        """
        segment = self.describe(subnet)
        pools = self._pools(subnet, segment)
        claims = list(dict.fromkeys(wanted.values()))
        parts = _by_pool(pools, wanted)
        before = {claim for claim, _ in self._ledger.held(claims)}
        try:
            for pool, part in zip(pools, parts, strict=True):
                self._ledger.take_these(pool.name, part)
        except AllocationConflict:
            self._ledger.forget([item for item in claims if item not in before])
            raise
        taken = [self._take(pool, claims) for pool in pools]
        return [_allocation(item, taken, segment) for item in claims]

    def forget(self, claims: Collection[Claim]) -> None:
        """Keep the addresses out of circulation, as nobody's."""
        self._ledger.forget(claims)

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Give back what no row of the helper claims, and remove networks that nobody is on.

        ``keep`` has the claims of all sections, since they may share a tenant's network.
        """
        owned = self._ledger.owned(self._pool_names(), older_than)
        lost = _lost(owned, keep)
        self._ledger.give_back(lost)
        removed = [_told(item) for item in lost]
        if self._settings.flat is None:
            removed += self._own.collect(older_than)
            routers = [item for item in owned if item.owner.startswith(ROUTER)]
            self._ledger.give_back(self._own.collect_router_claims(routers))
        return removed

    def look_again(self) -> None:
        """Ask again for addresses that were put aside, since somebody had them."""
        if self._settings.flat is not None:
            self._probing.look_again(flat_pools(self._section, self._settings))

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """What `collect` would remove."""
        lost = _lost(self._ledger.owned(self._pool_names(), older_than), keep)
        told = [_told(item) for item in lost]
        return told if self._settings.flat else told + self._own.orphans(older_than, lost)

    def _pool_names(self) -> list[str]:
        """All that may have addresses of this section's, and others'."""
        if self._settings.flat is not None:
            return [pool.name for pool in flat_pools(self._section, self._settings)]
        return [*self._ledger.pools(made_prefix(self._section)), *self._ledger.pools("tenant:")]

    def makes_networks(self) -> bool:
        """True if the section says what networks of ours are made of."""
        return self._settings.flat is None and self._settings.plan is not None

    def ensure_network(self, subnet: SubnetRef, *, host: str) -> None:
        """The network of this subnet and its router exist, where it needs them; idempotent."""
        del host
        if self._settings.flat is not None:
            return
        if not subnet.net_id:
            self._own.ensure(subnet, None)
        elif self._settings.routed:
            self._own.ensure(subnet, self._tenant(subnet))

    def remove_network(self, subnet: SubnetRef, *, host: str) -> None:
        """Network and router are gone, unless a server or a joined machine is still on it."""
        del host
        if self._settings.flat is None:
            self._own.remove(subnet)

    def tenant_routes(self, subnet: SubnetRef) -> tuple[Route, ...]:
        """What a machine on the tenant's network needs to reach a server behind our router."""
        if self._settings.flat is not None or not self._settings.routed or not subnet.net_id:
            return ()
        return self._own.routes(subnet, self._tenant(subnet))

    def join(self, subnet: SubnetRef, *, netns: str, interface: str) -> tuple[str, ...]:
        """Plug a tenant's machine into the network made for its share network.

        Makes the network if no share server needed it yet. Returns the machine's
        addresses with their prefix lengths; the same ones for the same namespace.
        """
        fabric = self._own.fabric()
        (found,) = self._seats(subnet, [self._own.machine_claim(subnet, netns)])
        addresses = _with_prefixes(found)
        # No gateway: nothing but share servers is there, and the machine has routes of its own.
        fabric.plug(
            found.segment, netns=netns, interface=interface, addresses=addresses, gateway=None
        )
        return addresses

    def join_bridge(
        self, subnet: SubnetRef, *, bridge: str, machines: int
    ) -> tuple[tuple[str, ...], ...]:
        """Join a tenant's bridge with the network made for its share network.

        Returns the addresses with prefix lengths that are kept for each of the machines
        behind it; the same ones for the same bridge. Nobody sets them but the tenant.
        """
        fabric = self._own.fabric()
        claims = [self._own.bridge_claim(subnet, bridge, index) for index in range(machines)]
        found = self._seats(subnet, claims)
        fabric.plug_bridge(found[0].segment, bridge=bridge)
        return tuple(_with_prefixes(item) for item in found)

    def _seats(self, subnet: SubnetRef, claims: Sequence[Claim]) -> list[Allocation]:
        if subnet.net_id or self._settings.flat is not None:
            raise InvalidNetwork(f"[{self._section}] made no network for subnet {subnet.key}")
        self.ensure_network(subnet, host=self._host.name)
        return self.allocate(subnet, claims, host=self._host.name)

    def leave(self, subnet: SubnetRef, *, netns: str, interface: str) -> None:
        """Unplug it and give its address back; the network goes if it was the last on it."""
        segment = self._joined(subnet)
        if segment is not None:
            self._own.fabric().unplug(segment, netns=netns, interface=interface)
            self._ledger.give_back([self._own.machine_claim(subnet, netns)])
            self.remove_network(subnet, host=self._host.name)

    def leave_bridge(self, subnet: SubnetRef, *, bridge: str) -> None:
        """Part the bridge from it, and give the addresses of all machines behind it back."""
        segment = self._joined(subnet)
        if segment is not None:
            self._own.fabric().unplug_bridge(segment, bridge=bridge)
            owner = self._own.bridge_claim(subnet, bridge, 0).owner
            pools = [pool.name for pool in self._pools(subnet, segment)]
            owned = self._ledger.owned(pools, EVER)
            self._ledger.give_back([item for item in owned if item.owner == owner])
            self.remove_network(subnet, host=self._host.name)

    def _joined(self, subnet: SubnetRef) -> Segment | None:
        """The network made for the subnet, if there is one."""
        if self._settings.flat is not None or subnet.net_id:
            return None
        try:
            return self._own.get(subnet)
        except NetworkNotFound:
            return None


def _lost(owned: Sequence[Claim], keep: Collection[Claim]) -> list[Claim]:
    kept = set(keep)
    return [item for item in owned if item not in kept and not item.owner.startswith(OWN_OWNERS)]


def _told(lost: Claim) -> str:
    return f"address {lost.index} of share server {lost.owner}"


def _with_prefixes(found: Allocation) -> tuple[str, ...]:
    return tuple(
        f"{address}/{item.cidr.prefixlen}"
        for address, item in zip(found.addresses, found.segment.subnets, strict=True)
    )


def _leading_to(service: Segment, tenant: Segment) -> Segment:
    """The service network, with routes to the tenant's by the router on its gateway address."""
    return replace(
        service,
        subnets=tuple(
            replace(
                item,
                routes=tuple(
                    Route(destination=other.cidr, next_hop=item.gateway)
                    for other in tenant.subnets
                    if item.gateway is not None and other.cidr.version == item.cidr.version
                ),
            )
            for item in service.subnets
        ),
    )


def _by_pool(
    pools: Sequence[Pool], wanted: Mapping[IPAddress, Claim]
) -> list[dict[IPAddress, Claim]]:
    """The wanted addresses of each pool; AllocationConflict for those that none may give."""
    parts: list[dict[IPAddress, Claim]] = [{} for _ in pools]
    for address, claim in wanted.items():
        place = next((i for i, pool in enumerate(pools) if address in pool.subnet.cidr), None)
        if place is None:
            cidrs = ", ".join(str(pool.subnet.cidr) for pool in pools)
            raise AllocationConflict(f"{address} is not inside {cidrs}")
        if address in pools[place].reserved:
            raise AllocationConflict(f"{address} is reserved in {pools[place].subnet.cidr}")
        if claim in parts[place].values():
            raise AllocationConflict(f"{address}: one interface has one address per subnet")
        parts[place][address] = claim
    return parts


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
    """Locally administered, and the same for the same claim: neighbours' caches stay right."""
    octets = hashlib.sha256(handle.encode()).digest()[:5]
    return ":".join(["02", *(f"{octet:02x}" for octet in octets)])
