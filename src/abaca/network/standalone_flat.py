"""The flat network of a standalone section: gateway, ranges and routes of its IP versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from abaca.errors import InvalidNetwork
from abaca.network import ipam
from abaca.network.plugin import IPAddress, IPNetwork, Route, Subnet
from abaca.network.section import items_of, text_of
from abaca.network.standalone_values import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The flat network's side of one IP version."""

    subnet: Subnet
    ranges: tuple[tuple[IPAddress, IPAddress], ...]


def families(values: Mapping[str, object], found: Faults) -> tuple[Family, ...]:
    """One or two; IPv4 first. With faults they may be missing."""
    named = [
        prefix
        for prefix in ("", "ipv6_")
        if text_of(values, f"{prefix}gateway") or text_of(values, f"{prefix}cidr")
    ]
    if not named:
        found.add("gateway", 'missing; write an address of the network, as in "gateway = 10.0.0.1"')
    for prefix in {"", "ipv6_"} - set(named):
        for name in (f"{prefix}mask", f"{prefix}allowed_ip_ranges"):
            if named and items_of(values, name):
                why = f"missing, but {name} is set; write the gateway too (or {prefix}cidr)"
                found.add(f"{prefix}gateway", why)
    made = [item for prefix in named if (item := _family(values, prefix, found)) is not None]
    if [item.subnet.cidr.version for item in made] == [6, 6]:
        found.add("gateway", "both gateway and ipv6_gateway are IPv6; leave one of them out")
    return _with_routes(values, made, found)


def _family(values: Mapping[str, object], prefix: str, found: Faults) -> Family | None:
    before = len(found.lines)
    gateway = _gateway(values, f"{prefix}gateway", found)
    if len(found.lines) > before:
        return None
    cidr = _cidr(values, prefix, gateway, found)
    if cidr is None:
        return None
    if gateway is not None and gateway not in cidr:
        found.add(f"{prefix}gateway", f"{gateway} is not inside {cidr}; write an address of it")
        return None
    if gateway is not None and gateway in ipam.reserved(cidr, ()):
        name = f"{prefix}gateway"
        what = f"{gateway} is the network or broadcast address of {cidr}"
        found.add(name, f"{what}; write a host's address")
    ranges = _ranges(values, f"{prefix}allowed_ip_ranges", cidr, gateway, found)
    return Family(subnet=Subnet(cidr=cidr, gateway=gateway), ranges=ranges)


def _gateway(values: Mapping[str, object], name: str, found: Faults) -> IPAddress | None:
    written = text_of(values, name)
    if not written:
        return None
    try:
        gateway = ip_address(written)
    except ValueError:
        found.add(name, f"{written!r} is no IP address; write one, as in 10.0.0.1")
        return None
    if name.startswith("ipv6_") and gateway.version == ipam.IPV4:
        found.add(name, f"{gateway} is IPv4; write it as gateway")
        return None
    return gateway


def _cidr(
    values: Mapping[str, object], prefix: str, gateway: IPAddress | None, found: Faults
) -> IPNetwork | None:
    """The network, by ``cidr``, or by gateway and mask."""
    name, mask = f"{prefix}cidr", text_of(values, f"{prefix}mask")
    written = text_of(values, name)
    if written and mask:
        found.add(f"{prefix}mask", f"{name} says it already; leave one of them out")
        return None
    if not written and not mask:
        why = f"missing; write the prefix length of the network of {gateway}, as in"
        found.add(f"{prefix}mask", f'{why} "mask = 24"')
        return None
    try:
        cidr = ip_network(written) if written else ip_network(f"{gateway}/{mask}", strict=False)
    except ValueError as error:
        if written:
            found.add(name, f"{error}; write a network, as in 10.10.0.0/24")
        else:
            _bad_mask(prefix, mask, gateway, found)
        return None
    if prefix and cidr.version == ipam.IPV4:
        found.add(name, f"{cidr} is IPv4; write it as cidr")
        return None
    limit = cidr.max_prefixlen - 2
    if 1 <= cidr.prefixlen <= limit:
        return cidr
    if written:
        found.add(name, f"{cidr} won't do; write a network with a prefix length of 1 to {limit}")
    else:
        _bad_mask(prefix, mask, gateway, found)
    return None


def _bad_mask(prefix: str, mask: str, gateway: IPAddress | None, found: Faults) -> None:
    limit = (gateway.max_prefixlen if gateway is not None else 32) - 2
    found.add(f"{prefix}mask", f"{mask!r} won't do; write a number of bits, 1 to {limit}")


def _with_routes(
    values: Mapping[str, object], made: Sequence[Family], found: Faults
) -> tuple[Family, ...]:
    routes: list[Route] = []
    for written in items_of(values, "routes"):
        try:
            routes.append(route_of(written))
        except InvalidNetwork as error:
            found.add("routes", error.message)
    try:
        subnets = with_routes([item.subnet for item in made], routes) if made else []
    except InvalidNetwork as error:
        found.add("routes", error.message)
        return tuple(made)
    return tuple(replace(item, subnet=subnet) for item, subnet in zip(made, subnets, strict=True))


def route_of(written: str) -> Route:
    """``CIDR via ROUTER``; InvalidNetwork says what to write."""
    example = 'write CIDR via ROUTER, as in "192.168.0.0/16 via 10.10.0.2"'
    to, _, by = (part.strip() for part in written.partition(" via "))
    try:
        route = Route(destination=ip_network(to), next_hop=ip_address(by))
    except ValueError as error:
        raise InvalidNetwork(f"{written!r}: {error}; {example}") from error
    if route.destination.version != route.next_hop.version:
        raise InvalidNetwork(f"{written!r} mixes IPv4 and IPv6; {example}")
    return route


def with_routes(subnets: Sequence[Subnet], routes: Sequence[Route]) -> list[Subnet]:
    """The subnets of a network, each with the routes of its IP version.

    InvalidNetwork if hosts on the network can't have one of them, or one is there twice.
    """
    for index, route in enumerate(routes):
        if any(route.destination == other.destination for other in routes[:index]):
            raise InvalidNetwork(f"{route.destination} is there twice; write each network once")
        if fault := _misplaced(route, subnets):
            raise InvalidNetwork(f"{route.destination} via {route.next_hop}: {fault}")
    return [
        replace(
            item,
            routes=tuple(
                route for route in routes if route.destination.version == item.cidr.version
            ),
        )
        for item in subnets
    ]


def _misplaced(route: Route, subnets: Sequence[Subnet]) -> str | None:
    """Why share servers on these subnets can't have the route."""
    subnet = next((item for item in subnets if route.next_hop in item.cidr), None)
    if subnet is None:
        cidrs = ", ".join(str(item.cidr) for item in subnets)
        return f"the router is not on the network; write an address of {cidrs}"
    if route.next_hop in ipam.reserved(subnet.cidr, ()):
        return f"{route.next_hop} is the network or broadcast address; write a router's"
    if route.destination.prefixlen == 0:
        return "that is the default route; write its router as gateway"
    if route.destination.overlaps(subnet.cidr):
        return f"share servers are on {subnet.cidr} themselves; write networks elsewhere"
    return None


def _ranges(
    values: Mapping[str, object],
    name: str,
    cidr: IPNetwork,
    gateway: IPAddress | None,
    found: Faults,
) -> tuple[tuple[IPAddress, IPAddress], ...]:
    ranges: list[tuple[IPAddress, IPAddress]] = []
    for written in items_of(values, name):
        try:
            pair = ipam.parse_range(written)
        except InvalidNetwork as error:
            found.add(name, f"{error}; write first-last, as in {cidr[1]}-{cidr[-2]}")
            continue
        interval = (int(pair[0]), int(pair[1]))
        if pair[0] not in cidr or pair[1] not in cidr:
            better = f"{cidr[1]}-{cidr[-2]}"
            found.add(name, f"{written} is not inside {cidr}; write addresses of {better}")
        elif gateway is not None and ipam.contains([interval], int(gateway)):
            parts = ipam.without([interval], [int(gateway)])
            better = ", ".join(ipam.spell_ranges(parts, cidr.version)) or "another range"
            found.add(name, f"{written} has the gateway {gateway} inside; write {better}")
        else:
            ranges.append(pair)
    for pair_text in ipam.overlapping(ranges):
        found.add(name, f"{pair_text} overlap; write each address once")
    if ranges and not _usable(ranges, cidr, gateway):
        found.add(name, f"no address is left after the reserved ones of {cidr}; write more")
    return tuple(ranges) or ((cidr[0], cidr[-1]),)


def _usable(
    ranges: Sequence[tuple[IPAddress, IPAddress]], cidr: IPNetwork, gateway: IPAddress | None
) -> bool:
    holes = [int(item) for item in ipam.reserved(cidr, [gateway])]
    return any(True for _ in ipam.without([(int(a), int(b)) for a, b in ranges], holes))
