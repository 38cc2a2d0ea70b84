"""Two network sections on one wire must not give out the same addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from abaca.config.model import BackendConfig
from abaca.drivers.driver import KnowsWires
from abaca.errors import NetworkError
from abaca.modes import DriverMode
from abaca.network.plugin import HasRanges, IPAddress, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """The addresses that a section gives out on a wire."""

    section: str
    wire: str
    ranges: tuple[tuple[IPAddress, IPAddress], ...]


def overlaps(backends: Sequence[BackendConfig]) -> list[str]:
    """One line per pair of sections that would give one address to two share servers.

    A section keeps its addresses apart by itself, however many backends name it.
    """
    found = {(item.section, item.wire): item for item in _ranges(backends)}
    lines = []
    for one, other in combinations(found.values(), 2):
        if one.wire != other.wire or one.section == other.section:
            continue
        lines += [
            f"[{other.section}] allowed_ip_ranges: {_spelled(first)} overlaps {_spelled(second)} "
            f"of [{one.section}], and both are on {one.wire.partition(' ')[2]}; give each its own"
            for second in one.ranges
            for first in other.ranges
            if first[0].version == second[0].version and _overlap(first, second)
        ]
    return lines


def _ranges(backends: Sequence[BackendConfig]) -> Iterator[_Ranges]:
    for backend in backends:
        network = backend.network
        plugin: object = network.plugin if network is not None else None
        if network is None or backend.mode is not DriverMode.FLAT:
            continue
        if not isinstance(plugin, HasRanges):
            continue
        try:
            segment, ranges = plugin.flat_ranges(network.section, network.values)
        except NetworkError:
            continue  # its own faults are told already
        wire = _wire(backend, segment)
        if wire is not None:
            host = backend.host.partition("@")[0]
            yield _Ranges(section=network.section, wire=f"{host} {wire}", ranges=ranges)


def _wire(backend: BackendConfig, segment: Segment) -> str | None:
    """What the segment is on this host; None if nobody can tell."""
    driver: object = backend.driver
    if isinstance(driver, KnowsWires):
        return driver.outlet(backend.values, segment)
    named = segment.physical_network is not None or segment.segmentation_id is not None
    return segment.wire if named else None


def _overlap(one: tuple[IPAddress, IPAddress], other: tuple[IPAddress, IPAddress]) -> bool:
    return int(one[0]) <= int(other[1]) and int(other[0]) <= int(one[1])


def _spelled(pair: tuple[IPAddress, IPAddress]) -> str:
    return f"{pair[0]}-{pair[1]}"
