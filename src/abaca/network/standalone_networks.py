"""Networks and routers that the standalone plugin makes itself, and the pools of addresses on them.

A network of ours serves one share network subnet in one section: service
networks that a router joins with the tenant's (``routed``), and networks for
subnets that name none. It is made before the first address on it is taken, and
goes when nobody holds one. What is visible to others goes first and its record
last, so that a segmentation ID is never handed out while it is still on a wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from abaca.errors import InvalidNetwork, NetworkNotFound
from abaca.network import ipam
from abaca.network.plugin import (
    Claim,
    Fabric,
    IPAddress,
    Label,
    MadeNetwork,
    PluginHost,
    Route,
    RouterLeg,
    Segment,
    Subnet,
    SubnetRef,
    TenantNetwork,
)
from abaca.network.standalone_config import Settings

EVER = datetime.max.replace(tzinfo=UTC)
ROUTER, MACHINE = "router-", "machine-"
OWN_OWNERS = (ROUTER, MACHINE)
"""What owners of claims begin with that are no share servers."""


def digest(text: str, length: int) -> str:
    """A short name for something with a long one."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Where the addresses of one subnet of a segment come from."""

    name: str
    subnet: Subnet
    ranges: tuple[tuple[IPAddress, IPAddress], ...]

    @property
    def reserved(self) -> frozenset[IPAddress]:
        """What may never be handed out."""
        hops = [route.next_hop for route in self.subnet.routes]
        return ipam.reserved(self.subnet.cidr, [self.subnet.gateway, *hops])


def flat_pools(section: str, settings: Settings) -> list[Pool]:
    """Of the section's flat network: its name stays when mask and ranges change."""
    return [
        Pool(
            name=f"flat:{section}/{item.subnet.cidr.version}",
            subnet=item.subnet,
            ranges=item.ranges,
        )
        for item in settings.families
    ]


def tenant_pools(tenant: TenantNetwork) -> list[Pool]:
    """Of a tenant network: by wire, so that all sections and registrations on it share them."""
    return [
        Pool(
            name=f"tenant:{tenant.segment.wire}/{subnet.cidr}",
            subnet=subnet,
            ranges=tuple(
                pair for pair in tenant.allocation_ranges if pair[0].version == subnet.cidr.version
            )
            or ((subnet.cidr[0], subnet.cidr[-1]),),
        )
        for subnet in tenant.segment.subnets
    ]


def made_prefix(section: str) -> str:
    """What the names of all pools on networks of ours begin with."""
    return f"made:{section}/"


def made_pools(section: str, key: str, segment: Segment) -> list[Pool]:
    """Of a network of ours: all of it."""
    return [
        Pool(
            name=f"{made_prefix(section)}{key}/{subnet.cidr.version}",
            subnet=subnet,
            ranges=((subnet.cidr[0], subnet.cidr[-1]),),
        )
        for subnet in segment.subnets
    ]


def _told(made: MadeNetwork) -> str:
    return f"network {made.segment.wire} of {made.key}"


class OwnNetworks:
    """The networks and routers of one section on one host."""

    def __init__(self, section: str, settings: Settings, host: PluginHost) -> None:
        self._section = section
        self._settings = settings
        self._host = host

    def key(self, subnet: SubnetRef) -> str:
        """What the subnet's network is recorded under. A router's wires belong to one host."""
        return f"{subnet.key}@{self._host.name}" if subnet.net_id else subnet.key

    def get(self, subnet: SubnetRef) -> Segment:
        """The network made for the subnet; NetworkNotFound if there is none yet."""
        self._plan(subnet)
        made = self._host.registry.made(self._section, self.key(subnet))
        if made is None:
            raise NetworkNotFound(f"[{self._section}] has no network for {subnet.key} yet")
        return made

    def _plan(self, subnet: SubnetRef) -> None:
        if self._settings.plan is None:
            raise InvalidNetwork(
                f"subnet {subnet.key} names no network, and [{self._section}] has no "
                "segmentation_ids and service_cidr to make one from",
                told="The share network names no network; add a subnet that does "
                "(neutron_net_id and neutron_subnet_id).",
            )

    def pools(self, subnet: SubnetRef, segment: Segment) -> list[Pool]:
        """The pools of the network made for the subnet."""
        return made_pools(self._section, self.key(subnet), segment)

    def ensure(self, subnet: SubnetRef, tenant: TenantNetwork | None) -> None:
        """The network exists, and with a tenant network given a router joins the two."""
        self._plan(subnet)
        plan = self._settings.plan
        if plan is None:
            return
        if tenant is not None:
            cidrs = tuple(item.cidr for item in tenant.segment.subnets)
            versions = {item.version for item in cidrs}
            supernets = tuple(pair for pair in plan.supernets if pair[0].version in versions)
            if not supernets:
                raise InvalidNetwork(
                    f"[{self._section}] has no service_cidr of the IP version of network "
                    f"{tenant.name} ({', '.join(map(str, cidrs))})"
                )
            plan = replace(plan, supernets=supernets, avoid=cidrs)
        made = self._host.registry.make(self._section, self.key(subnet), plan)
        if tenant is not None:
            self._join(self.key(subnet), tenant, made)

    def _join(self, key: str, tenant: TenantNetwork, service: Segment) -> None:
        """A router with an address of the tenant's, and the gateways of the service network."""
        gateways = tuple(item.gateway for item in service.subnets if item.gateway is not None)
        legs = [
            RouterLeg(segment=tenant.segment, addresses=self._router_addresses(key, tenant)),
            RouterLeg(segment=service, addresses=gateways),
        ]
        self.fabric().ensure_router(self.router(key), legs)

    def _router_addresses(self, key: str, tenant: TenantNetwork) -> tuple[IPAddress, ...]:
        claim = self._router_claim(key)
        return tuple(self.take(pool, [claim])[claim] for pool in tenant_pools(tenant))

    def take(self, pool: Pool, claims: Sequence[Claim]) -> dict[Claim, IPAddress]:
        """An address of the pool for each claim."""
        rest = self._settings.rest_seconds
        return self._host.ledger.take(
            pool.name, pool.ranges, pool.reserved, claims, rest_seconds=rest
        )

    def remove(self, subnet: SubnetRef) -> None:
        """Network and router are gone, unless somebody is on it (a joined machine, say)."""
        # A subnet that lost its row meanwhile names nothing any more: both keys are tried.
        for key in (subnet.key, f"{subnet.key}@{self._host.name}"):
            self._remove(key)

    def _remove(self, key: str) -> None:
        """Router first, then its address, and what the others could take last."""
        ledger, registry = self._host.ledger, self._host.registry
        made = registry.made(self._section, key)
        pools = [item.name for item in made_pools(self._section, key, made)] if made else []
        if ledger.owned(pools, EVER) or self._left_on(pools):
            return
        if "@" in key and self._host.fabric is not None:
            self._host.fabric.remove_router(self.router(key))
            ledger.give_back([self._router_claim(key)])
        if made is not None:
            registry.unmake(self._section, key, pools)

    def routes(self, subnet: SubnetRef, tenant: TenantNetwork) -> tuple[Route, ...]:
        """What a machine on the tenant's network needs: the service network, by our router."""
        # There is no router without one, and an address that it took would be nobody's.
        made = self.get(subnet)
        addresses = self._router_addresses(self.key(subnet), tenant)
        hops = {item.version: item for item in addresses}
        return tuple(
            Route(destination=item.cidr, next_hop=hops[item.cidr.version]) for item in made.subnets
        )

    def collect(self, older_than: datetime) -> list[str]:
        """Remove networks that nobody is on, and routers without a network; say which."""
        removed: list[str] = []
        networks, routers = self._found()
        for item in self._old(networks, older_than):
            self._remove(item.key)
            if self._host.registry.made(self._section, item.key) is None:
                removed.append(_told(item))
        for name in routers:
            self.fabric().remove_router(name)
            removed.append(f"router {name}")
        return removed

    def orphans(self, older_than: datetime, lost: Collection[Claim]) -> list[str]:
        """What `collect` would remove once the ``lost`` addresses are given back."""
        networks, routers = self._found()
        gone = set(lost)
        empty = [
            item
            for item in self._old(networks, older_than)
            if gone.issuperset(self._host.ledger.owned(self._pool_names(item), EVER))
            and not self._left_on(self._pool_names(item))
        ]
        return [_told(item) for item in empty] + [f"router {name}" for name in routers]

    def _left_on(self, pools: Collection[str]) -> bool:
        """True while a server that was left as it runs has an address there."""
        return any(self._host.ledger.forgotten(pool) for pool in pools)

    def _found(self) -> tuple[list[MadeNetwork], list[str]]:
        """The networks of this section, and the routers of this host that none of them has."""
        # Listed before the networks: one that is missing then will not appear.
        routers = self._host.fabric.routers() if self._host.fabric is not None else []
        networks = self._host.registry.made_by(self._section)
        known = {self.router(item.key) for item in networks}
        ours = self.router("")[:9]
        return networks, [name for name in routers if name.startswith(ours) and name not in known]

    def _old(self, networks: Sequence[MadeNetwork], older_than: datetime) -> list[MadeNetwork]:
        """Those that are older, but for what belongs to another host's routers."""
        here = f"@{self._host.name}"
        return [
            item
            for item in networks
            if ("@" not in item.key or item.key.endswith(here)) and item.made_at < older_than
        ]

    def _pool_names(self, made: MadeNetwork) -> list[str]:
        return [item.name for item in made_pools(self._section, made.key, made.segment)]

    def collect_router_claims(self, claims: Sequence[Claim]) -> list[Claim]:
        """Those addresses of routers of this section that no router needs any more."""
        registry = self._host.registry
        return [
            item
            for item in claims
            if item == self._router_claim(item.subnet)
            and registry.made(self._section, item.subnet) is None
        ]

    def router(self, key: str) -> str:
        """The router's name: which section's it is, and for what."""
        return f"{digest(self._section, 8)}-{digest(key, 16)}"

    def _router_claim(self, key: str) -> Claim:
        owner = f"{ROUTER}{digest(f'{self._section}/{key}', 32)}"
        return Claim(owner=owner, label=Label.ADMIN, subnet=key, index=0)

    def machine_claim(self, subnet: SubnetRef, netns: str) -> Claim:
        """Under which a tenant's machine has its address."""
        owner = f"{MACHINE}{digest(f'{self._host.name}/{netns}', 32)}"
        return Claim(owner=owner, label=Label.ADMIN, subnet=subnet.key, index=0)

    def bridge_claim(self, subnet: SubnetRef, bridge: str, index: int) -> Claim:
        """Under which a machine behind a bridge has its address."""
        # No namespace has a slash in its name.
        return replace(self.machine_claim(subnet, f"bridge/{bridge}"), index=index)

    def fabric(self) -> Fabric:
        """The wires of this host; InvalidNetwork if the driver has none."""
        if self._host.fabric is None:
            raise InvalidNetwork(
                f"[{self._section}] needs wires on host {self._host.name}, but the backend's "
                "driver has none; use connectivity = direct, or another driver"
            )
        return self._host.fabric
