"""A network plugin for Abaca that takes the addresses of share servers from a file.

The file says what the network is, and which addresses are Abaca's (TOML)::

    mtu = 1500

    [[subnets]]
    cidr = "10.20.0.0/24"
    gateway = "10.20.0.1"
    addresses = ["10.20.0.50", "10.20.0.100-10.20.0.199"]

It is read whenever it is needed, so changes count at once. Who has which address is in
Abaca's database (the ledger), which all hosts share.
"""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import ClassVar

from oslo_config import cfg

from abaca.errors import (
    AllocationConflict,
    AllocationLost,
    InvalidNetwork,
    NetworkError,
    NetworkUnavailable,
)
from abaca.modes import DriverMode
from abaca.network import ipam
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    NetworkType,
    PluginHost,
    Segment,
    Subnet,
    SubnetRef,
)

NAMESPACE = uuid.UUID("7d2c3a52-3d0f-5f0e-9c57-1e7d5a0f6b11")
REST_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The addresses of one subnet that share servers may have."""

    name: str
    subnet: Subnet
    ranges: tuple[tuple[IPAddress, IPAddress], ...]

    @property
    def reserved(self) -> frozenset[IPAddress]:
        """Network, broadcast and gateway address."""
        return ipam.reserved(self.subnet.cidr, [self.subnet.gateway])


class StaticFilePlugin:
    """`NetworkPlugin`, `Reachable` and `ShowsOrphans` on a file and the ledger."""

    name: ClassVar[str] = "static_file"
    contract: ClassVar[str] = "1.0"
    modes: ClassVar[frozenset[DriverMode]] = frozenset({DriverMode.FLAT})
    options: ClassVar[tuple[cfg.Opt, ...]] = (
        cfg.StrOpt(
            "address_file",
            help="The file that says which addresses share servers get: an absolute path, with "
            "the same content on all hosts.",
            sample_default="/etc/abaca/storage-network.toml",
        ),
    )

    def __init__(self, section: str, file: Path, host: PluginHost) -> None:
        self._prefix = f"static_file:{section}/"
        self._file = file
        self._ledger = host.ledger

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with the section; the file is not looked at."""
        del mode
        file = str(values.get("address_file") or "")
        if file.startswith("/"):
            return []
        return [f"[{section}] address_file: write an absolute path, as in /etc/abaca/storage.toml"]

    @classmethod
    def from_config(
        cls, section: str, values: Mapping[str, object], host: PluginHost
    ) -> StaticFilePlugin:
        """The instance for a section; InvalidNetwork if it has `faults`."""
        if lines := cls.faults(section, values, host.mode):
            raise InvalidNetwork("; ".join(lines))
        return cls(section, Path(str(values["address_file"])), host)

    @classmethod
    def findings(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with the file; for `abaca config check`."""
        del mode
        try:
            _read(Path(str(values["address_file"])), "")
        except NetworkError as error:
            return [f"[{section}] address_file: {error}"]
        return []

    def status(self) -> None:
        """Return if the file can be read."""
        self._network()

    def describe(self, subnet: SubnetRef) -> Segment:
        """The network of the file: in flat mode there is one, whatever is asked for."""
        del subnet
        return self._network()[0]

    def _network(self) -> tuple[Segment, tuple[Pool, ...]]:
        return _read(self._file, self._prefix)

    def allocate(
        self, subnet: SubnetRef, claims: Sequence[Claim], *, host: str
    ) -> list[Allocation]:
        """Those that the claims have, or the next free ones; the same on every host."""
        del subnet, host
        segment, pools = self._network()
        taken = [
            self._ledger.take(
                pool.name, pool.ranges, pool.reserved, claims, rest_seconds=REST_SECONDS
            )
            for pool in pools
        ]
        return [_allocation(claim, taken, segment) for claim in claims]

    def check(self, allocations: Sequence[Allocation]) -> None:
        """AllocationLost unless each claim holds all of its addresses."""
        held = self._ledger.held([item.claim for item in allocations])
        for item in allocations:
            have = {address for (claim, _), address in held.items() if claim == item.claim}
            if not have.issuperset(item.addresses):
                raise AllocationLost(f"share server {item.claim.owner} lost an address")

    def release(self, claims: Collection[Claim]) -> None:
        """Give the addresses back, also those that are in the file no longer."""
        self._ledger.give_back(claims)

    def adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        """Take over addresses that are in use: of the network, but not necessarily of the file."""
        _, pools = self._network()
        for address in wanted:
            if not any(address in pool.subnet.cidr for pool in pools):
                raise AllocationConflict(f"{address} is not on the network")
            if any(address in pool.reserved for pool in pools):
                raise AllocationConflict(f"{address} is reserved")
        for pool in pools:
            mine = {item: claim for item, claim in wanted.items() if item in pool.subnet.cidr}
            self._ledger.take_these(pool.name, mine)
        return self.allocate(subnet, list(dict.fromkeys(wanted.values())), host="")

    def forget(self, claims: Collection[Claim]) -> None:
        """Keep the addresses out of circulation, as nobody's."""
        self._ledger.forget(claims)

    def collect(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """Give back what no share server has."""
        lost = self._lost(keep, older_than)
        self._ledger.give_back(lost)
        return [_told(claim) for claim in lost]

    def orphans(self, keep: Collection[Claim], older_than: datetime) -> list[str]:
        """What `collect` would give back."""
        return [_told(claim) for claim in self._lost(keep, older_than)]

    def _lost(self, keep: Collection[Claim], older_than: datetime) -> list[Claim]:
        pools = self._ledger.pools(self._prefix)
        return [item for item in self._ledger.owned(pools, older_than) if item not in keep]


def _read(file: Path, prefix: str) -> tuple[Segment, tuple[Pool, ...]]:
    """The network, and its pools. Somebody may be writing the file just now: then try again."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        pools = tuple(_pool(item, prefix) for item in content["subnets"])
        mtu = int(content.get("mtu", 1500))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, NetworkError) as error:
        raise NetworkUnavailable(f"{file}: {type(error).__name__}: {error}") from error
    if not pools or len({pool.subnet.cidr.version for pool in pools}) < len(pools):
        raise NetworkUnavailable(f"{file}: write one subnet, or one of IPv4 and one of IPv6")
    segment = Segment(
        network_type=NetworkType.FLAT,
        segmentation_id=None,
        physical_network=None,
        mtu=mtu,
        subnets=tuple(pool.subnet for pool in pools),
    )
    return segment, pools


def _pool(item: Mapping[str, object], prefix: str) -> Pool:
    cidr = ip_network(str(item["cidr"]))
    ranges = tuple(ipam.parse_range(str(text)) for text in _list(item["addresses"]))
    if any(first not in cidr or last not in cidr for first, last in ranges):
        raise ValueError(f"addresses that are not in {cidr}")
    gateway = ip_address(str(item["gateway"])) if "gateway" in item else None
    return Pool(name=f"{prefix}{cidr}", subnet=Subnet(cidr=cidr, gateway=gateway), ranges=ranges)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _allocation(
    claim: Claim, taken: Sequence[Mapping[Claim, IPAddress]], segment: Segment
) -> Allocation:
    handle = f"{claim.owner}/{claim.label}/{claim.subnet}/{claim.index}"
    return Allocation(
        claim=claim,
        id=str(uuid.uuid5(NAMESPACE, handle)),
        addresses=tuple(pool[claim] for pool in taken),
        mac_address=None,
        segment=segment,
    )


def _told(lost: Claim) -> str:
    return f"address {lost.index} of share server {lost.owner}"
