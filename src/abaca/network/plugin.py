"""The network-plugin contract: what a plugin is given, gives back, and may raise.

A plugin hands out addresses to share servers and keeps no state of the
service. It imports this module and nothing else of Abaca but `errors`,
`modes`, `steps` and `network.ipam`. In prose: docs/network-plugin-spec.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import ClassVar, Protocol, Self, runtime_checkable

from oslo_config import cfg

from abaca.modes import DriverMode

CONTRACT_VERSION = "1.0"
"""Of docs/network-plugin-spec.md. A change that plugins must follow raises the first number."""
IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class Label(StrEnum):
    """Whom an address serves."""

    USER = "user"
    ADMIN = "admin"


class NetworkType(StrEnum):
    """Segmentation types, as Neutron names them."""

    FLAT = "flat"
    VLAN = "vlan"
    VXLAN = "vxlan"
    GRE = "gre"
    GENEVE = "geneve"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetRef:
    """Which network is meant: a share network subnet in managed mode, the config section in flat.

    ``key`` is the stable ID: the share network subnet's ID, or the name of the
    network section. The network and subnet IDs are opaque to Abaca; the plugin
    resolves them inside ``project_id``.
    """

    key: str
    project_id: str | None = None
    share_network_id: str | None = None
    net_id: str | None = None
    subnet_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route that a share server needs besides its gateway."""

    destination: IPNetwork
    next_hop: IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """One IP subnet of a segment."""

    cidr: IPNetwork
    gateway: IPAddress | None
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What a `SubnetRef` turned out to be: a wire, and one subnet per IP version (at most two)."""

    network_type: NetworkType
    segmentation_id: int | None
    physical_network: str | None
    mtu: int
    subnets: tuple[Subnet, ...]

    @property
    def wire(self) -> str:
        """Names the broadcast domain. Tunnel IDs are the same on every physical network."""
        match self.network_type:
            case NetworkType.FLAT:
                return f"flat:{self.physical_network or ''}"
            case NetworkType.VLAN:
                return f"vlan:{self.physical_network or ''}:{self.segmentation_id}"
            case _:
                return f"{self.network_type}:{self.segmentation_id}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Claim:
    """The idempotency key of one interface."""

    owner: str
    """Share server ID."""
    label: Label
    subnet: str
    """`SubnetRef.key`"""
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """One interface: an address in each subnet of the segment, in the segment's order."""

    claim: Claim
    id: str
    """The plugin's handle: a port ID, or the uuid5 of the claim."""
    addresses: tuple[IPAddress, ...]
    mac_address: str | None
    segment: Segment


class NetworkPlugin(Protocol):
    """Every method is required, idempotent, and raises `abaca.errors.NetworkError` only.

    Plugins never sleep or poll: what has not converged is `NetworkUnavailable`,
    and the helper calls again.
    """

    name: ClassVar[str]
    modes: ClassVar[frozenset[DriverMode]]
    options: ClassVar[tuple[cfg.Opt, ...]]
    """Options of a network section, beside ``network_plugin``."""

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with a network section, one line per fault that says what to write.

        Looks at the values only (no I/O). ``values`` maps option names, with
        ``_`` for ``-``, to parsed values.
        """

    @classmethod
    def from_config(cls, section: str, values: Mapping[str, object], host: PluginHost) -> Self:
        """Make the instance for a network section whose ``faults`` are none."""

    def status(self) -> None:
        """Return if `allocate` can work now; else raise."""

    def describe(self, subnet: SubnetRef) -> Segment:
        """What the subnet is. Raises InvalidNetwork or NetworkNotFound."""

    def allocate(
        self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str
    ) -> list[Allocation]:
        """One allocation per claim, in order; the same ones when repeated with the same claims.

        All or nothing is not promised: after a failure the helper releases.
        """

    def check(self, allocations: Sequence[Allocation]) -> None:
        """Return if all are usable; NetworkUnavailable while converging, AllocationLost if gone."""

    def release(self, claims: Collection[Claim]) -> None:
        """Give back; succeeds on unknown claims. Remote thing first, local row last."""

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """Take over addresses in use (manage). Refuses reserved and foreign ones."""

    def forget(self, claims: Collection[Claim]) -> None:
        """Hide from `collect`, but keep the addresses out of circulation (unmanage)."""

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Remove what carries our tag, is not in ``keep`` and is older; say what was removed."""


@runtime_checkable
class NetworkMaker(Protocol):
    """Optional: the plugin makes networks and routes of its own, per share network subnet."""

    def makes_networks(self) -> bool:
        """True if a subnet without any network ID can be served."""

    def ensure_network(self, subnet: SubnetRef, *, host: str) -> None:
        """Make what `allocate` needs for this subnet (network, router); idempotent."""

    def remove_network(self, subnet: SubnetRef, *, host: str) -> None:
        """Take it away, when the last server on it is gone; succeeds on unknown."""


@runtime_checkable
class Reachable(Protocol):
    """Optional: the plugin works with a service elsewhere, which can be asked beforehand."""

    @classmethod
    def findings(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What keeps a section without `faults` from working, one line each, as `faults`.

        Asks the service: endpoint, credentials, missing networks, missing extensions, rights.
        """


@runtime_checkable
class ShowsOrphans(Protocol):
    """Optional: the plugin says beforehand what `NetworkPlugin.collect` would remove."""

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """One line each, in the words of ``collect``; changes nothing."""


@runtime_checkable
class HasRanges(Protocol):
    """Optional: a flat section itself says which addresses it gives out, on which segment."""

    @classmethod
    def flat_ranges(
        cls, section: str, values: Mapping[str, object]
    ) -> tuple[Segment, tuple[tuple[IPAddress, IPAddress], ...]]:
        """The segment, and first and last of each range. InvalidNetwork if it has `faults`."""


DEFAULT_WARN_PERCENT = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPool:
    """What a pool of the ledger has to give, as its network is now."""

    name: str
    """In the ledger."""
    network: str
    """What people know it by: the network section, or the tenant's network."""
    cidr: IPNetwork | None
    """The network; None where only its ranges are known."""
    ranges: tuple[tuple[IPAddress, IPAddress], ...]
    reserved: frozenset[IPAddress]
    rest_seconds: int = 0
    warn_percent: int = DEFAULT_WARN_PERCENT
    """How full it may be before administrators are warned; 0: they never are."""


@runtime_checkable
class HasPools(Protocol):
    """Optional: the addresses of a flat section come from pools of the ledger."""

    @classmethod
    def address_pools(cls, section: str, values: Mapping[str, object]) -> tuple[AddressPool, ...]:
        """The pools, one per IP version. InvalidNetwork if the section has `faults`."""


@runtime_checkable
class LooksAgain(Protocol):
    """Optional: the plugin keeps addresses out of circulation for a time."""

    def look_again(self) -> None:
        """Give out again what need not be kept any longer. Called every few minutes."""


@runtime_checkable
class NeedsWires(Protocol):
    """Optional: some sections of the plugin need the driver's wires (`PluginHost.fabric`)."""

    @classmethod
    def needs_wires(cls, values: Mapping[str, object], mode: DriverMode) -> str | None:
        """The option of a section without `faults` that does; None if none does."""


@runtime_checkable
class KnowsIds(Protocol):
    """Optional: the plugin understands some of the IDs by which share networks name networks."""

    def network_ids(self) -> frozenset[str]:
        """Of ``neutron_net_id`` and ``nova_net_id``; a plugin that does not say takes both."""


@runtime_checkable
class TenantRoutes(Protocol):
    """Optional: the tenant's machines need routes of their own to reach a share server."""

    def tenant_routes(self, subnet: SubnetRef) -> tuple[Route, ...]:
        """What to add to a machine on the tenant's network; empty if nothing is needed."""


@runtime_checkable
class Rebindable(Protocol):
    """Optional: allocations can move to another host (share server migration)."""

    def prepare(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """Make them usable on the other host too."""

    def activate(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """The other host has them now."""

    def abandon(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """Undo `prepare`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterLeg:
    """One side of a router: the wire, the addresses it has there (with prefix), its MTU."""

    segment: Segment
    addresses: tuple[IPAddress, ...]


class Fabric(Protocol):
    """The wires of this host, for plugins that make routers; the backend's driver has them."""

    def ensure_router(self, name: str, legs: Sequence[RouterLeg]) -> None:
        """A router of this name joins the legs; idempotent. ``name`` is at most 60 characters."""

    def remove_router(self, name: str) -> None:
        """Take it away with its links; succeeds on unknown."""

    def routers(self) -> list[str]:
        """Names of the routers that exist on this host."""

    def plug(
        self,
        segment: Segment,
        *,
        netns: str,
        interface: str,
        addresses: tuple[str, ...],
        gateway: str | None,
    ) -> None:
        """Put an interface with these ``address/prefix`` on the segment into a namespace."""

    def unplug(self, segment: Segment, *, netns: str, interface: str) -> None:
        """Take such an interface away again; succeeds on unknown."""

    def plug_bridge(self, segment: Segment, *, bridge: str) -> None:
        """Join the segment with a tenant's bridge on this host; InvalidNetwork if it can't be."""

    def unplug_bridge(self, segment: Segment, *, bridge: str) -> None:
        """Part them again; succeeds on unknown."""


@runtime_checkable
class AsksNeighbours(Protocol):
    """Optional power of a `Fabric`: finds out who has an address on the wire (ARP, NDP)."""

    def who_has(
        self, addresses: Collection[IPAddress], *, wire: str | None, seconds: float
    ) -> dict[IPAddress, str]:
        """Those that somebody on the flat wire answers for, and who (a MAC address).

        ``wire`` is `PluginHost.flat_wire`. Waits that long at most; raises
        NetworkUnavailable if nobody can be asked now.
        """


class AddressLedger(Protocol):
    """Durable, shared between processes: which address of which pool is whose.

    A pool is a name that the plugin chooses. Implemented by `abaca.db.addresses`;
    uniqueness of (pool, address) and of (claim, pool) are database constraints.
    """

    def held(self, claims: Collection[Claim]) -> dict[tuple[Claim, str], IPAddress]:
        """The addresses that these claims hold, by (claim, pool)."""

    def take(
        self,
        pool: str,
        ranges: Sequence[tuple[IPAddress, IPAddress]],
        reserved: Collection[IPAddress],
        claims: Sequence[Claim],
        *,
        rest_seconds: int,
        tentative: bool = False,
    ) -> dict[Claim, IPAddress]:
        """Give each claim a free address of the ranges, or the one it has.

        AddressesExhausted if there are too few; then nothing was taken. Addresses
        freed less than ``rest_seconds`` ago come last. Those given anew may be
        ``tentative``, until `confirm` or `put_aside`.
        """

    def tentative(self, pool: str, claims: Collection[Claim]) -> dict[Claim, IPAddress]:
        """Those of the claims whose address there is tentative."""

    def confirm(self, pool: str, claims: Collection[Claim]) -> None:
        """What they hold there is tentative no longer."""

    def put_aside(self, pool: str, answered: Mapping[IPAddress, str]) -> None:
        """Nobody holds these any more and nobody gets them, since somebody (who) has them.

        Only those that are tentative, or aside already (then with the time and ``who`` anew).
        """

    def aside(self, pool: str, older_than: datetime) -> set[IPAddress]:
        """The addresses that were put aside before that time."""

    def readmit(self, pool: str, addresses: Collection[IPAddress]) -> None:
        """Those of them that were put aside are free again."""

    def take_these(self, pool: str, wanted: Mapping[IPAddress, Claim]) -> None:
        """Give exactly these, or AllocationConflict."""

    def give_back(self, claims: Collection[Claim]) -> None:
        """Free them; they rest before reuse."""

    def forget(self, claims: Collection[Claim]) -> None:
        """Keep the addresses taken, by nobody that `owned` would show."""

    def owned(self, pools: Collection[str], older_than: datetime) -> list[Claim]:
        """Claims that hold addresses of these pools since before that time."""

    def forgotten(self, pool: str) -> set[IPAddress]:
        """The addresses of the pool that `forget` keeps taken."""

    def pools(self, prefix: str) -> list[str]:
        """Names of the pools that begin so and have addresses taken, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantNetwork:
    """A network of a tenant, registered by an administrator (``abaca network tenant add``)."""

    id: str
    project_id: str
    name: str
    segment: Segment
    allocation_ranges: tuple[tuple[IPAddress, IPAddress], ...] = ()
    """Where Abaca may take addresses (``direct``); all free ones if empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What a network of a plugin's own may be made of."""

    network_type: NetworkType
    physical_network: str | None
    mtu: int
    segmentation_ids: tuple[int, int]
    """First and last."""
    supernets: tuple[tuple[IPNetwork, int], ...]
    """One per IP version: what subnets are carved from, and their prefix length.

    The gateway of a carved subnet is its first usable address.
    """
    avoid: tuple[IPNetwork, ...] = ()
    """CIDRs that it must not overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeNetwork:
    """A network that a plugin made."""

    key: str
    segment: Segment
    made_at: datetime


class NetworkRegistry(Protocol):
    """Durable networks: those that tenants have, and those that a plugin made itself."""

    def tenant_network(self, project_id: str, net_id: str) -> TenantNetwork | None:
        """The registered network, by ID or unique name, if it is this project's."""

    def made(self, section: str, key: str) -> Segment | None:
        """The network that this section made for that subnet key, if any."""

    def made_by(self, section: str) -> list[MadeNetwork]:
        """Every network that this section made and has not given back."""

    def make(self, section: str, key: str, plan: NetworkPlan) -> Segment:
        """Record the first network of the plan that collides with nobody's.

        Its segmentation ID is used by no other network made or registered on the
        same kind of wire, its CIDRs overlap no other of this section's. Idempotent by
        (section, key), whatever the plan; AddressesExhausted if the plan is used up.
        """

    def unmake(self, section: str, key: str, pools: Collection[str]) -> bool:
        """Give it back, with these ledger pools, unless somebody holds an address of them.

        True if it is gone (or was unknown), False if it is held.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginHost:
    """What Abaca lends to a plugin instance."""

    name: str
    """This host's name."""
    mode: DriverMode
    ledger: AddressLedger
    registry: NetworkRegistry
    fabric: Fabric | None
    """None where the backend's driver has no wires on this host."""
    flat_wire: str | None = None
    """Where the network of a flat section is, by its name in the driver's options; None: where
    share servers of flat_multi_svm are."""
