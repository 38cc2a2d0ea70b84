"""The pure part of address allocation: ranges, gaps, and which free address is next.

A pool's free space is a set of disjoint `Gap` intervals, kept in an index by its
owner (the database ledger). Taking one shortens or removes the gap it came from,
freeing one adds a gap of a single address, so the cost of either is an index
lookup: it depends neither on how full the pool is nor on how large.

Which one is next:

1. An address that nobody ever had, lowest first. So every address of a pool is
   used once before any is used again.
2. Then the one that was freed longest ago. Rest is a preference: a pool is
   exhausted only when nothing is free, never because all free ones still rest.
3. In pools above `FULL_ROUND` addresses (IPv6) a freed address that has rested
   goes before the never used ones: a full round would never end, and the gaps
   would grow by a row with every server that ever lived.

Addresses are plain integers here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import pairwise

from abaca.errors import InvalidNetwork
from abaca.network.plugin import IPAddress, IPNetwork

Interval = tuple[int, int]
"""First and last, both included."""

FULL_ROUND = 1 << 16
IPV4 = 4


@dataclass(frozen=True, slots=True)
class Gap:
    """A free interval; ``rested`` is the seconds since it was freed, None if never used."""

    first: int
    last: int
    rested: float | None = None


def choose(fresh: Gap | None, freed: Gap | None, *, size: int, rest_seconds: int) -> Gap | None:
    """The gap whose first address is next, or None if the pool is exhausted.

    ``fresh`` is the lowest gap of never used addresses, ``freed`` the one freed
    longest ago, ``size`` the number of addresses in the pool's ranges.
    """
    if fresh is None:
        return freed
    if freed is None or freed.rested is None or size <= FULL_ROUND:
        return fresh
    return freed if freed.rested >= rest_seconds else fresh


def normalise(intervals: Iterable[Interval]) -> list[Interval]:
    """The same addresses as sorted, disjoint intervals that don't touch."""
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def without(intervals: Iterable[Interval], taken: Iterable[int]) -> Iterator[Interval]:
    """The intervals less some addresses, sorted and disjoint."""
    holes = iter(sorted(set(taken)))
    hole = next(holes, None)
    for first, last in normalise(intervals):
        start = first
        while hole is not None and hole <= last:
            if hole >= start:
                if hole > start:
                    yield (start, hole - 1)
                start = hole + 1
            hole = next(holes, None)
        if start <= last:
            yield (start, last)


def size(intervals: Iterable[Interval]) -> int:
    """How many addresses the intervals have."""
    return sum(last - first + 1 for first, last in normalise(intervals))


def contains(intervals: Iterable[Interval], address: int) -> bool:
    """True if one of the intervals has the address."""
    return any(first <= address <= last for first, last in intervals)


def reserved(cidr: IPNetwork, used: Iterable[IPAddress | None]) -> frozenset[IPAddress]:
    """What may never be handed out: network and broadcast address, and those ``used``."""
    found = {item for item in used if item is not None}
    if cidr.num_addresses > 2:  # noqa: PLR2004 - point-to-point prefixes use both (RFC 3021, 6164)
        found.add(cidr.network_address)
        if cidr.version == IPV4:
            found.add(cidr.broadcast_address)
    return frozenset(found)


def parse_range(text: str) -> tuple[IPAddress, IPAddress]:
    """An address range: ``first-last``, a CIDR, or a single address. InvalidNetwork if neither."""
    try:
        if "/" in text:
            network = ip_network(text.strip())
            return network[0], network[-1]
        first, _, last = text.partition("-")
        pair = ip_address(first.strip()), ip_address((last or first).strip())
    except ValueError as error:
        raise InvalidNetwork(f"{text!r} is no range of addresses: {error}") from error
    if pair[0].version != pair[1].version:
        raise InvalidNetwork(f"{text!r} mixes IPv4 and IPv6")
    if int(pair[0]) > int(pair[1]):
        raise InvalidNetwork(f"{text!r} ends before it begins")
    return pair


def spell_ranges(intervals: Iterable[Interval], version: int) -> list[str]:
    """The intervals as `parse_range` reads them."""
    kind = IPv4Address if version == IPV4 else IPv6Address
    return [
        str(kind(first)) if first == last else f"{kind(first)}-{kind(last)}"
        for first, last in intervals
    ]


def carve(supernet: IPNetwork, prefix: int, avoid: Collection[IPNetwork]) -> IPNetwork | None:
    """The lowest subnet of that prefix length that overlaps none of ``avoid``, or None.

    The cost grows with the number of networks to avoid, not with the supernet's size.
    """
    step = 1 << (supernet.max_prefixlen - prefix)
    start, end = int(supernet.network_address), int(supernet[-1])
    busy = normalise(
        (int(item[0]), int(item[-1])) for item in avoid if item.version == supernet.version
    )
    for first, last in busy:
        if first > start + step - 1:
            break
        if last >= start:
            start = -(-(last + 1) // step) * step
    if start + step - 1 > end:
        return None
    base = type(supernet.network_address)(start)
    return ip_network(f"{base}/{prefix}")


def first_free(bounds: Interval, taken: Collection[int]) -> int | None:
    """The lowest number within the bounds that is not taken, or None."""
    for first, _ in without([bounds], taken):
        return first
    return None


def overlapping(ranges: Sequence[tuple[IPAddress, IPAddress]]) -> list[str]:
    """Pairs of ranges that share addresses, as text for a configuration's author."""
    ordered = sorted(ranges, key=lambda item: (item[0].version, int(item[0])))
    return [
        f"{a[0]}-{a[1]} and {b[0]}-{b[1]}"
        for a, b in pairwise(ordered)
        if a[0].version == b[0].version and int(b[0]) <= int(a[1])
    ]
