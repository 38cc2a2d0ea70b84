"""Two network sections on one wire must not give out the same addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from abaca.config.model import BackendConfig, NetworkConfig
from abaca.drivers.driver import ADMIN_WIRE, HasFabric, KnowsWires
from abaca.errors import NetworkError
from abaca.modes import DriverMode
from abaca.network.plugin import (
    HasRanges,
    IPAddress,
    IPNetwork,
    NeedsWires,
    NetworkType,
    Segment,
)


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


def shared_with_admins(backends: Sequence[BackendConfig]) -> list[str]:
    """One line per pair of tenants' and administrators' networks that a server can't both have."""
    sections = {item.network.section for item in backends if item.network is not None}
    lines = []
    for backend in backends:
        admin, tenants = backend.admin_network, backend.network
        if admin is None:
            continue
        where = f"[{backend.name}] admin_network_config_group: "
        if admin.section in sections:
            lines.append(
                f"{where}[{admin.section}] is a network of tenants (network_config_group); "
                "name a section of its own"
            )
        elif backend.mode is DriverMode.FLAT and tenants is not None:
            lines += [
                f"{where}{one} of [{admin.section}] overlaps {two} of [{tenants.section}]; "
                "give administrators a network of their own"
                for one, two in product(_cidrs(admin), _cidrs(tenants))
                if one.version == two.version and one.overlaps(two)
            ]
    return lines


def without_wires(backends: Sequence[BackendConfig]) -> list[str]:
    """One line per section that needs wires of a driver that has none."""
    lines = []
    for backend in backends:
        driver: object = backend.driver
        if isinstance(driver, HasFabric):
            continue
        for network, mode in (
            (backend.network, backend.mode),
            (backend.admin_network, DriverMode.FLAT),
        ):
            option = None if network is None else _needing(network, mode)
            if network is not None and option is not None:
                lines.append(
                    f"[{network.section}] {option}: driver {backend.driver_name} of "
                    f"[{backend.name}] has no wires for it on its host; leave it out"
                )
    return lines


def _needing(network: NetworkConfig, mode: DriverMode) -> str | None:
    plugin: object = network.plugin
    if not isinstance(plugin, NeedsWires):
        return None
    try:
        found: str | None = plugin.needs_wires(network.values, mode)
    except NetworkError:
        return None  # its own faults are told already
    return found


def _ranges(backends: Sequence[BackendConfig]) -> Iterator[_Ranges]:
    for backend in backends:
        if backend.network is not None and backend.mode is DriverMode.FLAT:
            yield from _ranges_of(backend, backend.network, None)
        if backend.admin_network is not None:
            yield from _ranges_of(backend, backend.admin_network, ADMIN_WIRE)


def _ranges_of(
    backend: BackendConfig, network: NetworkConfig, physical: str | None
) -> Iterator[_Ranges]:
    if (told := _flat_ranges(network)) is None:
        return
    segment, ranges = told
    if physical is not None:
        segment = replace(
            segment,
            network_type=NetworkType.FLAT,
            segmentation_id=None,
            physical_network=physical,
        )
    wire = _wire(backend, segment)
    if wire is not None:
        host = backend.host.partition("@")[0]
        yield _Ranges(section=network.section, wire=f"{host} {wire}", ranges=ranges)


def _flat_ranges(
    network: NetworkConfig,
) -> tuple[Segment, tuple[tuple[IPAddress, IPAddress], ...]] | None:
    """None if the plugin can't tell."""
    plugin: object = network.plugin
    if not isinstance(plugin, HasRanges):
        return None
    try:
        return plugin.flat_ranges(network.section, network.values)
    except NetworkError:
        return None  # its own faults are told already


def _cidrs(network: NetworkConfig) -> list[IPNetwork]:
    told = _flat_ranges(network)
    return [] if told is None else [item.cidr for item in told[0].subnets]


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
