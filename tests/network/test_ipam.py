"""The pure part of allocation against brute force on small spaces."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abaca.errors import InvalidNetwork
from abaca.network import ipam

SPACE = st.integers(0, 60)
INTERVALS = st.lists(st.tuples(SPACE, SPACE).map(lambda pair: (min(pair), max(pair))), max_size=6)


def _members(intervals: list[ipam.Interval]) -> set[int]:
    return {number for first, last in intervals for number in range(first, last + 1)}


@given(intervals=INTERVALS)
def test_normalise_keeps_the_set(intervals: list[ipam.Interval]) -> None:
    """Merged intervals have the same numbers, in order, with holes between them."""
    merged = ipam.normalise(intervals)
    assert _members(merged) == _members(intervals)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(merged))
    assert ipam.size(intervals) == len(_members(intervals))


@given(intervals=INTERVALS, taken=st.sets(SPACE))
def test_without_is_set_difference(intervals: list[ipam.Interval], taken: set[int]) -> None:
    """What is left after taking some away is exactly the difference, in disjoint intervals."""
    left = list(ipam.without(intervals, taken))
    assert _members(left) == _members(intervals) - taken
    assert sum(last - first + 1 for first, last in left) == len(_members(left))


@given(bounds=st.tuples(SPACE, SPACE).filter(lambda pair: pair[0] <= pair[1]), taken=st.sets(SPACE))
def test_first_free(bounds: ipam.Interval, taken: set[int]) -> None:
    """The lowest number that is left, or none."""
    free = sorted(_members([bounds]) - taken)
    assert ipam.first_free(bounds, taken) == (free[0] if free else None)


@given(
    taken=st.lists(st.tuples(st.integers(0, 15), st.integers(26, 30)), max_size=8),
    prefix=st.integers(26, 30),
)
def test_carve_is_the_lowest_that_fits(taken: list[tuple[int, int]], prefix: int) -> None:
    """A carved subnet is inside, overlaps nothing, and no lower one would do."""
    supernet = ip_network("10.0.0.0/24")
    avoid = [ip_network(f"10.0.0.{place * 16}/{length}", strict=False) for place, length in taken]
    fits = [
        item
        for item in supernet.subnets(new_prefix=prefix)
        if not any(item.overlaps(other) for other in avoid)
    ]
    assert ipam.carve(supernet, prefix, avoid) == (fits[0] if fits else None)


def test_carve_from_a_huge_supernet() -> None:
    """The cost is in what is taken: the 1001st /64 of a /32 comes at once."""
    supernet = ip_network("fd00::/32")
    avoid = [ip_network((int(supernet[0]) + (number << 64), 64)) for number in range(1000)]
    assert str(ipam.carve(supernet, 64, avoid)) == "fd00:0:0:3e8::/64"


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.5 - 10.0.0.9", "10.0.0.5", "10.0.0.9"),
        ("10.0.0.8/30", "10.0.0.8", "10.0.0.11"),
        ("fd00::1-fd00::ff", "fd00::1", "fd00::ff"),
    ],
)
def test_range_forms(text: str, first: str, last: str) -> None:
    """An address, a pair or a CIDR."""
    assert ipam.parse_range(text) == (ip_address(first), ip_address(last))


@pytest.mark.parametrize(
    "text", ["10.0.0.9-10.0.0.5", "10.0.0.5-fd00::1", "ten", "10.0.0.5/30", "", "-"]
)
def test_no_ranges(text: str) -> None:
    """What is no range is refused."""
    with pytest.raises(InvalidNetwork):
        ipam.parse_range(text)


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.0.0.0/30", {"10.0.0.0", "10.0.0.3", "10.0.0.1"}),
        ("10.0.0.0/31", {"10.0.0.1"}),
        ("fd00::/126", {"fd00::", "fd00::1"}),
    ],
)
def test_reserved(cidr: str, expected: set[str]) -> None:
    """Network, broadcast and gateway; a point-to-point prefix has but its gateway."""
    network = ip_network(cidr)
    assert {str(item) for item in ipam.reserved(network, [network[1], None])} == expected


def test_choice_uses_every_address_once_first() -> None:
    """Never used before freed, however long that rested; a huge pool reuses what has rested."""
    fresh, rested, resting = ipam.Gap(5, 9), ipam.Gap(1, 1, 1e6), ipam.Gap(1, 1, 5.0)
    small, huge = ipam.FULL_ROUND, 1 << 64
    assert ipam.choose(fresh, rested, size=small, rest_seconds=10) == fresh
    assert ipam.choose(fresh, rested, size=huge, rest_seconds=10) == rested
    assert ipam.choose(fresh, resting, size=huge, rest_seconds=10) == fresh
    assert ipam.choose(None, resting, size=small, rest_seconds=10) == resting
    assert ipam.choose(None, None, size=small, rest_seconds=10) is None
