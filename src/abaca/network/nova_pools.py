"""Which addresses of a nova network a share server may have, and whose they are.

nova's reservation of a fixed IP is not exclusive: of two that reserve an address,
both hear yes. So the ledger decides among share servers, and nova keeps instances
away. For each address there are two rows. The first is taken before nova is
asked about it. The second is the mark: nova said that nobody has the address, and
from here on a reservation is ours. Without it, after a crash, a reservation that
is ours would look like one of somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abaca.errors import AllocationConflict, InvalidNetwork
from abaca.network import ipam
from abaca.network.nova_values import IPV6_PREFIX, NovaNetwork
from abaca.network.plugin import Claim, IPAddress, IPNetwork

TAKEN, MARKED = "nova:", "nova-reserved:"
"""What names of pools begin with. A ledger frees in order of names: marks go first."""
IPV4_SIDE, IPV6_SIDE = "/4", "/6"
LOW_IPV6 = 1 << 32
"""So many addresses of a /64: instances make theirs of MAC addresses, which are all higher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One IP version of a network."""

    name: str
    cidr: IPNetwork
    ranges: tuple[tuple[IPAddress, IPAddress], ...]
    reserved: frozenset[IPAddress]
    marks: str | None
    """The pool of the marks; None for IPv6, of which nova has no fixed IPs."""


def pools(network: NovaNetwork, allowed: Sequence[tuple[IPAddress, IPAddress]]) -> tuple[Pool, ...]:
    """One pool per subnet, in the order of the network's segment; InvalidNetwork if none fits."""
    for first, last in allowed:
        if not any(first in cidr and last in cidr for cidr in network.cidrs):
            raise InvalidNetwork(
                f"allowed_ip_ranges: {first}-{last} is not inside nova's network {network.label} "
                f"({', '.join(map(str, network.cidrs))})"
            )
    return tuple(_pool(network, cidr, allowed) for cidr in network.cidrs)


def _pool(
    network: NovaNetwork, cidr: IPNetwork, allowed: Sequence[tuple[IPAddress, IPAddress]]
) -> Pool:
    six = cidr.version != ipam.IPV4
    if six and cidr.prefixlen != IPV6_PREFIX:
        raise InvalidNetwork(f"nova's network {network.label} has {cidr}: only a /64 is usable")
    ranges = tuple(pair for pair in allowed if pair[0].version == cidr.version)
    return Pool(
        name=f"{TAKEN}{network.id}{IPV6_SIDE if six else IPV4_SIDE}",
        cidr=cidr,
        ranges=ranges or ((cidr[0], cidr[LOW_IPV6 - 1] if six else cidr[-1]),),
        reserved=ipam.reserved(cidr, network.services_in(cidr)),
        marks=None if six else f"{MARKED}{network.id}",
    )


def network_of(pool: str) -> str:
    """The ID of the network that a pool of either kind belongs to."""
    return (
        pool.removeprefix(TAKEN)
        .removeprefix(MARKED)
        .removesuffix(IPV4_SIDE)
        .removesuffix(IPV6_SIDE)
    )


def names(network_id: str) -> tuple[str, ...]:
    """Every pool that a network may have."""
    return (
        f"{MARKED}{network_id}",
        f"{TAKEN}{network_id}{IPV4_SIDE}",
        f"{TAKEN}{network_id}{IPV6_SIDE}",
    )


def marked(held: Mapping[tuple[Claim, str], IPAddress]) -> list[tuple[str, IPAddress]]:
    """Network ID and address of each reservation of ours among what claims hold."""
    return [
        (network_of(pool), address)
        for (claim, pool), address in held.items()
        if pool.startswith(MARKED)
        and held.get((claim, f"{TAKEN}{network_of(pool)}{IPV4_SIDE}")) == address
    ]


def by_pool(
    found: Sequence[Pool], wanted: Mapping[IPAddress, Claim]
) -> list[dict[IPAddress, Claim]]:
    """The wanted addresses of each pool; AllocationConflict for those that none may give."""
    parts: list[dict[IPAddress, Claim]] = [{} for _ in found]
    for address, claim in wanted.items():
        place = next((i for i, pool in enumerate(found) if address in pool.cidr), None)
        if place is None:
            cidrs = ", ".join(str(pool.cidr) for pool in found)
            raise AllocationConflict(f"{address} is not inside {cidrs}")
        if address in found[place].reserved:
            raise AllocationConflict(f"{address} belongs to a service of {found[place].cidr}")
        if claim in parts[place].values():
            raise AllocationConflict(f"{address}: one interface has one address per subnet")
        parts[place][address] = claim
    return parts
