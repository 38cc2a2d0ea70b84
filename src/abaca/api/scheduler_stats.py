"""Scheduler pools, for administrators: what the backends have reported."""

from __future__ import annotations

import re
from typing import Any

from abaca.api.microversion import V
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import pools as db
from abaca.db import share_types
from abaca.errors import BadRequest, NotFound
from abaca.model.pool import Pool
from abaca.modes import DriverMode
from abaca.scheduler import specs
from abaca.scheduler.driver_mode import modes_asked
from abaca.scheduler.filters import reported

BY_TYPE = V(2, 23)
LONGEST_PATTERN = 255


def index(request: Request) -> dict[str, Any]:
    """Pools in short."""
    return {"pools": [_summary(pool) for pool in _find(request)]}


def detail(request: Request) -> dict[str, Any]:
    """Pools with their capabilities."""
    pools = _find(request)
    return {"pools": [{**_summary(pool), "capabilities": _capabilities(pool)} for pool in pools]}


def _find(request: Request) -> list[Pool]:
    with request.db.read() as tx:
        pools = db.every(tx)
        name = request.query.get("share_type") if request.version >= BY_TYPE else None
        wanted = None if name is None else share_types.find(tx, name)
    if name is not None and wanted is None:
        raise NotFound(f"Share type {name} could not be found.")
    if wanted is not None:
        pools = [pool for pool in pools if _fits(pool, dict(wanted.extra_specs))]
    for key in ("host", "backend", "pool"):
        if key in request.query:
            pattern = _pattern(key, request.query[key])
            pools = [pool for pool in pools if pattern.match(_summary(pool)[key])]
    return pools


def _pattern(key: str, text: str) -> re.Pattern[str]:
    """Clients send regular expressions (``.*`` for everything)."""
    if len(text) > LONGEST_PATTERN:
        raise BadRequest(f"{key}: give a pattern of at most {LONGEST_PATTERN} characters.")
    try:
        return re.compile(text)
    except re.error as error:
        raise BadRequest(f"{key}={text!r} is no regular expression: {error}.") from None


def _fits(pool: Pool, extra_specs: dict[str, str]) -> bool:
    """True if shares of the type can be there, with some share network or none."""
    modes = modes_asked(extra_specs, None)
    if extra_specs.get("driver_mode") == "any":
        modes = frozenset(DriverMode)
    zones = specs.zones_asked(extra_specs)
    return (
        pool.driver_mode in modes
        and (not zones or pool.availability_zone in zones)
        and all(
            specs.satisfies(reported(pool, name), value)
            for name, value in specs.capabilities_asked(extra_specs).items()
        )
    )


def _summary(pool: Pool) -> dict[str, str]:
    return {
        "name": pool.full_name,
        "host": pool.host.partition("@")[0],
        "backend": pool.backend,
        "pool": pool.name,
    }


def _capabilities(pool: Pool) -> dict[str, Any]:
    stamp = pool.reported_at.replace(tzinfo=None).isoformat(timespec="microseconds")
    return {
        **pool.capabilities,
        "share_backend_name": pool.backend,
        "pool_name": pool.name,
        "driver_mode": str(pool.driver_mode),
        "driver_handles_share_servers": pool.driver_mode.has_share_servers,
        "storage_protocol": "_".join(pool.protocols),
        "availability_zone": pool.availability_zone,
        "total_capacity_gb": pool.total_gib,
        "free_capacity_gb": pool.free_gib,
        "makes_networks": pool.makes_networks,
        "timestamp": stamp,
    }


RULES = (
    Rule("scheduler_stats:pools:index", ADMIN, "List scheduler pools."),
    Rule("scheduler_stats:pools:detail", ADMIN, "List scheduler pools with capabilities."),
)

ROUTES = (
    Route("GET", "/scheduler-stats/pools", index, "scheduler_stats:pools:index"),
    Route("GET", "/scheduler-stats/pools/detail", detail, "scheduler_stats:pools:detail"),
)
