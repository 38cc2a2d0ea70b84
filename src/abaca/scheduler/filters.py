"""Pure filters: each says of one pool why it can't take a request, or None.

They look at the request and at the pool as last reported, and at nothing else.
The order is that of the reasons: a pool is told the first that holds, the one
that an administrator or a user would mend first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from abaca.model.pool import Pool
from abaca.modes import DriverMode
from abaca.scheduler import specs
from abaca.scheduler.driver_mode import modes_asked, network_fault
from abaca.scheduler.request import PlacementRequest, Refusal

Filter = Callable[[PlacementRequest, Pool], Refusal | None]


def source(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """A clone lands on the backend that has its snapshot."""
    if request.source_host in {None, pool.host}:
        return None
    return Refusal(one="has not the snapshot", many="have not the snapshot")


def mode(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """The type's ``driver_mode`` or boolean, and what ``any`` means with this share network."""
    asked = modes_asked(request.extra_specs, request.share_network)
    if pool.driver_mode in asked:
        return None
    names = " or ".join(item for item in DriverMode if item in asked) or "no mode that exists"
    tail = f"{pool.driver_mode} but the type asks {names}"
    return Refusal(one=f"is {tail}", many=f"are {tail}")


def protocol(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """The share protocol is one that the backend serves."""
    if request.protocol.upper() in {item.upper() for item in pool.protocols}:
        return None
    tail = f"not serve {request.protocol}"
    return Refusal(one=f"does {tail}", many=f"do {tail}")


def zone(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """The zone asked for, and those that the type is limited to."""
    asked = request.availability_zone
    if asked is not None and pool.availability_zone != asked:
        tail = f"not in availability zone {asked}"
        return Refusal(one=f"is {tail}", many=f"are {tail}")
    allowed = specs.zones_asked(request.extra_specs)
    if allowed and pool.availability_zone not in allowed:
        tail = f"in {pool.availability_zone}, which is none of the type's availability zones"
        return Refusal(one=f"is {tail}", many=f"are {tail}")
    return None


def network(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """Multi modes need a share network; managed one that names a network, or makes its own."""
    if pool.driver_mode is DriverMode.SINGLE:
        return None
    if request.share_network is None:
        tail = f"{pool.driver_mode} and the request has no share network"
        return Refusal(one=f"is {tail}", many=f"are {tail}")
    if pool.driver_mode is DriverMode.FLAT:
        return None
    fault = network_fault(request.share_network, pool)
    if fault is None:
        return None
    tail = f"{pool.driver_mode} and {fault.why}"
    return Refusal(one=f"is {tail}", many=f"are {tail}")


def hints(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """``only_host``, ``same_host`` and ``different_host``."""
    if request.only_host not in {None, pool.full_name, pool.host, pool.host.partition("@")[0]}:
        tail = "not what only_host names"
        return Refusal(one=f"is {tail}", many=f"are {tail}", hidden=request.only_host or "")
    if request.same_host and request.same_host != {pool.host}:
        tail = "not where the shares named in same_host are"
        return Refusal(one=f"is {tail}", many=f"are {tail}")
    if pool.host in request.different_host:
        return Refusal(
            one="has a share named in different_host", many="have a share named in different_host"
        )
    return None


def capabilities(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """Every extra spec that speaks of a capability."""
    for name, wanted in sorted(specs.capabilities_asked(request.extra_specs).items()):
        if not specs.satisfies(reported(pool, name), wanted):
            asked = f"{name} = {wanted}"
            shown = specs.is_shown(request.extra_specs, name)
            tail = f"the capability {asked}" if shown else "a capability that the share type asks"
            hidden = "" if shown else asked
            return Refusal(one=f"has not {tail}", many=f"have not {tail}", hidden=hidden)
    return None


def capacity(request: PlacementRequest, pool: Pool) -> Refusal | None:
    """Free space, less what was placed since it was reported."""
    return None if pool.free_gib >= request.size_gib else lacks_room(request)


def lacks_room(request: PlacementRequest) -> Refusal:
    """The pool has not so much left."""
    tail = f"{request.size_gib} GiB free"
    return Refusal(one=f"lacks {tail}", many=f"lack {tail}")


NOT_UP = Refusal(one="is down or disabled", many="are down or disabled")
"""Of a pool whose service is not up: it is not asked at all."""

FILTERS: tuple[Filter, ...] = (
    source,
    mode,
    protocol,
    zone,
    network,
    hints,
    capabilities,
    capacity,
)


def reported(pool: Pool, name: str) -> specs.Value | None:
    """A capability by name: what every pool has, then what its driver reports."""
    common: dict[str, specs.Value] = {
        "share_backend_name": pool.backend,
        "pool_name": pool.name,
        "driver_mode": pool.driver_mode.value,
        "driver_handles_share_servers": pool.driver_mode.has_share_servers,
        "storage_protocol": pool.protocols,
        "availability_zone": pool.availability_zone,
        "total_capacity_gb": pool.total_gib,
        "free_capacity_gb": pool.free_gib,
    }
    if name in common:
        return common[name]
    value: object = pool.capabilities.get(name)
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    return value if isinstance(value, str | bool | float | int) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The pools that will do, and the refusals of the others."""

    fit: tuple[Pool, ...]
    refused: tuple[Refusal, ...]


def judge(request: PlacementRequest, pools: Iterable[Pool], excluded: Collection[str]) -> Verdict:
    """Run every filter over every pool. ``excluded`` are backends that refused it before."""
    judged = [(pool, refusal_of(request, pool, excluded)) for pool in pools]
    return Verdict(
        fit=tuple(pool for pool, refusal in judged if refusal is None),
        refused=tuple(refusal for _, refusal in judged if refusal is not None),
    )


def refusal_of(
    request: PlacementRequest, pool: Pool, excluded: Collection[str] = frozenset()
) -> Refusal | None:
    """Why the pool can't take the request, by the first filter that says so; None if it can."""
    if pool.host in excluded:
        return Refusal(one="could not take it when tried", many="could not take it when tried")
    return next(
        (refusal for check in FILTERS if (refusal := check(request, pool)) is not None), None
    )
