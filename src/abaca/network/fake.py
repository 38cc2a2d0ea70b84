"""A network plugin in memory, for tests and for benchmarks of the control plane.

It plays a remote network service: a `FakeCloud` holds ports and networks, every
call to it may be delayed or made to fail, and all plugin instances of one
section in this process share one cloud. Nothing survives the process.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import ClassVar

from oslo_config import cfg

from abaca.errors import (
    AddressesExhausted,
    AllocationConflict,
    AllocationLost,
    InvalidNetwork,
    NetworkError,
    NetworkNotFound,
)
from abaca.modes import MULTI_MODES, DriverMode
from abaca.network import ipam
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    IPNetwork,
    NetworkType,
    PluginHost,
    Segment,
    Subnet,
    SubnetRef,
)

NETWORK_IDS = ("neutron_net_id", "nova_net_id")
MISSING = "missing"
"""The ID of a network that no cloud has."""


@dataclass(slots=True)
class FakePort:
    """An address in each subnet of a segment; ``claim`` is None once it is forgotten."""

    claim: Claim | None
    allocation: Allocation
    made_at: datetime
    host: str
    """Where the server is."""
    coming: str | None = None
    """Where it may be, too, while it moves."""


class FakeCloud:
    """The remote side: ports and networks, and the faults to come. Thread-safe."""

    def __init__(self) -> None:
        self.ports: list[FakePort] = []
        self.networks: dict[str, Segment] = {}
        self.calls: list[str] = []
        """Verbs in the order they came."""
        self.delays: dict[str, float] = {}
        """Seconds that a verb takes."""
        self.after: Callable[[str], None] = lambda _verb: None
        """Called when a verb is done, before the caller knows: may raise."""
        self._down: NetworkError | None = None
        self._faults: dict[str, deque[NetworkError]] = defaultdict(deque)
        self._lock = threading.RLock()

    def fail(self, verb: str, *faults: NetworkError) -> None:
        """The next calls of this verb fail with these, one each, and change nothing."""
        self._faults[verb].extend(faults)

    @contextmanager
    def failing(self, fault: NetworkError) -> Iterator[None]:
        """Inside, every call fails with it, and changes nothing."""
        self._down = fault
        try:
            yield
        finally:
            self._down = None

    @contextmanager
    def call(self, verb: str) -> Iterator[None]:
        """One remote call; what is inside happens there, undisturbed by others."""
        time.sleep(self.delays.get(verb, 0))
        with self._lock:
            self.calls.append(verb)
            if self._down is not None:
                raise self._down
            if self._faults[verb]:
                raise self._faults[verb].popleft()
            yield
        self.after(verb)

    def port(self, claim: Claim) -> FakePort | None:
        """The port that carries this claim."""
        return next((item for item in self.ports if item.claim == claim), None)

    def taken(self, wire: str) -> set[IPAddress]:
        """Every address in use on a wire."""
        return {
            address
            for item in self.ports
            if item.allocation.segment.wire == wire
            for address in item.allocation.addresses
        }


class FakePlugin:
    """`NetworkPlugin`, `NetworkMaker` and `Rebindable` on a `FakeCloud`, the ``cloud``."""

    name: ClassVar[str] = "fake"
    modes: ClassVar[frozenset[DriverMode]] = MULTI_MODES
    options: ClassVar[tuple[cfg.Opt, ...]] = (
        cfg.ListOpt(
            "cidrs",
            default=["10.99.0.0/24"],
            help="The fake flat network, or the first of the fake tenant networks: at most one "
            "CIDR per IP version. The gateway is the first address.",
        ),
        cfg.BoolOpt(
            "makes_networks",
            default=True,
            help="managed_multi_svm: serve share networks that name no network.",
        ),
        cfg.ListOpt(
            "network_ids",
            default=list(NETWORK_IDS),
            help="managed_multi_svm: by which IDs share networks name networks here.",
        ),
    )
    clouds: ClassVar[dict[str, FakeCloud]] = {}

    def __init__(
        self,
        cidrs: Sequence[IPNetwork],
        mode: DriverMode,
        cloud: FakeCloud,
        *,
        makes: bool,
        ids: Collection[str] = NETWORK_IDS,
    ) -> None:
        self.cloud = cloud
        self._cidrs = tuple(cidrs)
        self._mode = mode
        self._makes = makes
        self._ids = frozenset(ids)

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with the section: CIDRs that are none, or two of one IP version."""
        del mode
        lines = []
        versions = []
        for text in _cidrs(values):
            try:
                versions.append(ip_network(text).version)
            except ValueError as error:
                lines.append(f"[{section}] cidrs: {error}; write one as in 10.99.0.0/24")
        if len(set(versions)) < len(versions) or not _cidrs(values):
            lines.append(f"[{section}] cidrs: write one CIDR per IP version")
        return lines

    @classmethod
    def from_config(
        cls, section: str, values: Mapping[str, object], host: PluginHost
    ) -> FakePlugin:
        """The instance for a section; those of the same section share a cloud."""
        if lines := cls.faults(section, values, host.mode):
            raise InvalidNetwork("; ".join(lines))
        cloud = cls.clouds.setdefault(section, FakeCloud())
        makes = bool(values.get("makes_networks", True))
        said = values.get("network_ids")
        ids = [str(item) for item in said] if isinstance(said, Sequence) else list(NETWORK_IDS)
        cidrs = [ip_network(text) for text in _cidrs(values)]
        return cls(cidrs, host.mode, cloud, makes=makes, ids=ids)

    def status(self) -> None:
        """Return unless a fault is waiting for ``status``."""
        with self.cloud.call("status"):
            pass

    def describe(self, subnet: SubnetRef) -> Segment:
        """Flat: the section's network. Managed: one per network ID, with a VNI of its own."""
        with self.cloud.call("describe"):
            return self._segment(subnet)

    def _segment(self, subnet: SubnetRef) -> Segment:
        if self._mode is DriverMode.FLAT:
            return _segment(NetworkType.FLAT, None, self._cidrs)
        if subnet.net_id == MISSING:
            raise NetworkNotFound("there is no such network")
        if not subnet.net_id and not self._makes:
            raise InvalidNetwork(f"subnet {subnet.key} names no network, and none is made")
        key = subnet.net_id or f"made:{subnet.key}"
        if key not in self.cloud.networks:
            if not subnet.net_id:
                raise NetworkNotFound(f"no network was made for {subnet.key} yet")
            self.cloud.networks[key] = self._new()
        return self.cloud.networks[key]

    def _new(self) -> Segment:
        """A network with the lowest free VNI; all have the same CIDRs, as tenants may."""
        taken = {item.segmentation_id for item in self.cloud.networks.values()}
        vni = next(number for number in range(1, 1 << 24) if number not in taken)
        return _segment(NetworkType.VXLAN, vni, self._cidrs)

    def allocate(
        self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str
    ) -> list[Allocation]:
        """A port per claim, one remote call each."""
        segment = self.describe(subnet)
        return [self._port(segment, item, (), host).allocation for item in claims]

    def _port(
        self, segment: Segment, claim: Claim, wanted: Collection[IPAddress], host: str
    ) -> FakePort:
        with self.cloud.call("create_port"):
            port = self.cloud.port(claim)
            if port is None:
                made = _allocation(self.cloud, segment, claim, wanted)
                port = FakePort(claim, made, datetime.now(UTC), host)
                self.cloud.ports.append(port)
            return port

    def check(self, allocations: Sequence[Allocation]) -> None:
        """AllocationLost if a port has gone."""
        with self.cloud.call("check"):
            for item in allocations:
                self._held(item)

    def release(self, claims: Collection[Claim]) -> None:
        """Delete the ports, one remote call each."""
        for claim in claims:
            with self.cloud.call("delete_port"):
                port = self.cloud.port(claim)
                if port is not None:
                    self.cloud.ports.remove(port)

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """Make ports with these addresses, or take over forgotten ones."""
        segment = self.describe(subnet)
        by_claim: dict[Claim, list[IPAddress]] = defaultdict(list)
        for address, claim in wanted.items():
            self._adoptable(segment, address, claim)
            by_claim[claim].append(address)
        return [self._adopt(segment, items, claim) for claim, items in by_claim.items()]

    def _adoptable(self, segment: Segment, address: IPAddress, claim: Claim) -> None:
        part = next((item for item in segment.subnets if address in item.cidr), None)
        if part is None or address in ipam.reserved(part.cidr, [part.gateway]):
            raise AllocationConflict(f"{address} is reserved, or not inside the network")
        for item in self.cloud.ports:
            mine = item.claim in (None, claim)
            same = address in item.allocation.addresses
            if item.allocation.segment.wire == segment.wire and same and not mine:
                raise AllocationConflict(f"{address} belongs to another")

    def _adopt(
        self, segment: Segment, addresses: Collection[IPAddress], claim: Claim
    ) -> Allocation:
        with self.cloud.call("adopt_port"):
            self.cloud.ports = [
                item
                for item in self.cloud.ports
                if item.claim is not None or not {*addresses} & {*item.allocation.addresses}
            ]
        return self._port(segment, claim, addresses, "").allocation

    def forget(self, claims: Collection[Claim]) -> None:
        """Take our tag off the ports."""
        for claim in claims:
            with self.cloud.call("untag_port"):
                port = self.cloud.port(claim)
                if port is not None:
                    port.claim = None

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Delete ports that carry our tag, are older, and are nobody's."""
        lost = self._lost(keep, older_than)
        self.release(lost)
        return [f"port of {item.owner}" for item in lost]

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Those ports."""
        return [f"port of {item.owner}" for item in self._lost(keep, older_than)]

    def _lost(self, keep: Collection[Claim], older_than: datetime) -> list[Claim]:
        with self.cloud.call("list_ports"):
            return [
                item.claim
                for item in self.cloud.ports
                if item.claim is not None and item.claim not in keep and item.made_at < older_than
            ]

    def prepare(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """The ports are on the other host, too; one remote call each."""
        for item in allocations:
            with self.cloud.call("bind_port"):
                port = self._held(item)
                port.coming = None if port.host == host else host

    def activate(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """They are there, and nowhere else."""
        for item in allocations:
            with self.cloud.call("activate_port"):
                port = self._held(item)
                port.host, port.coming = host, None

    def abandon(self, allocations: Sequence[Allocation], *, host: str) -> None:
        """They are not on that host, unless they have moved there."""
        for item in allocations:
            with self.cloud.call("unbind_port"):
                port = self.cloud.port(item.claim)
                if port is not None and port.coming == host:
                    port.coming = None

    def _held(self, found: Allocation) -> FakePort:
        port = self.cloud.port(found.claim)
        if port is None:
            raise AllocationLost(f"the port of {found.claim.owner} has gone")
        return port

    def makes_networks(self) -> bool:
        """As configured, in managed mode."""
        return self._makes and self._mode is DriverMode.MANAGED

    def network_ids(self) -> frozenset[str]:
        """As configured."""
        return self._ids

    def ensure_network(self, subnet: SubnetRef, *, host: str) -> None:
        """A network for a subnet that names none."""
        del host
        if self.makes_networks() and not subnet.net_id:
            with self.cloud.call("create_network"):
                if f"made:{subnet.key}" not in self.cloud.networks:
                    self.cloud.networks[f"made:{subnet.key}"] = self._new()

    def remove_network(self, subnet: SubnetRef, *, host: str) -> None:
        """The network is gone if it was made here."""
        del host
        with self.cloud.call("delete_network"):
            self.cloud.networks.pop(f"made:{subnet.key}", None)


def _cidrs(values: Mapping[str, object]) -> list[str]:
    found = values.get("cidrs")
    return [str(item) for item in found] if isinstance(found, Sequence) else ["10.99.0.0/24"]


def _segment(kind: NetworkType, vni: int | None, cidrs: Sequence[IPNetwork]) -> Segment:
    return Segment(
        network_type=kind,
        segmentation_id=vni,
        physical_network="fake",
        mtu=1450 if kind is NetworkType.VXLAN else 1500,
        subnets=tuple(Subnet(cidr=item, gateway=item[1]) for item in cidrs),
    )


def _allocation(
    cloud: FakeCloud, segment: Segment, claim: Claim, wanted: Collection[IPAddress]
) -> Allocation:
    taken = cloud.taken(segment.wire)
    number = int.from_bytes(uuid.uuid4().bytes[:3])
    octets = number.to_bytes(3)
    return Allocation(
        claim=claim,
        id=str(uuid.uuid4()),
        addresses=tuple(
            next((address for address in wanted if address in item.cidr), None)
            or _free(item, taken)
            for item in segment.subnets
        ),
        mac_address="02:fa:ce:" + ":".join(f"{octet:02x}" for octet in octets),
        segment=segment,
    )


def _free(subnet: Subnet, taken: Collection[IPAddress]) -> IPAddress:
    reserved = ipam.reserved(subnet.cidr, [subnet.gateway])
    busy = {int(item) for item in [*taken, *reserved] if item.version == subnet.cidr.version}
    number = ipam.first_free((int(subnet.cidr[0]), int(subnet.cidr[-1])), busy)
    if number is None:
        raise AddressesExhausted(f"every address of {subnet.cidr} is taken")
    return IPv4Address(number) if subnet.cidr.version == ipam.IPV4 else IPv6Address(number)
