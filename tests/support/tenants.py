"""Tenants that ask for all kinds of things at several APIs, and what must be true afterwards."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address

from sqlalchemy import func, select

from abaca.db import tables
from abaca.testing.wait import until
from support.deployment import Deployment, Tenant, every

GONE = (tables.shares, tables.share_instances, tables.share_servers, tables.allocations)
CLIENTS = itertools.count(1)
"""Nobody is allowed twice."""


def set_up(deployment: Deployment, count: int) -> list[tuple[Tenant, str]]:
    """Share types, and so many tenants with a share network each."""
    admin = deployment.log_in("admin")
    for name, servers in (("one", False), ("many", True)):
        specs = {"driver_handles_share_servers": servers, "share_backend_name": name}
        admin.ask("POST", "/types", {"share_type": {"name": name, "extra_specs": specs}})
    until(
        lambda: len(admin.ask("GET", "/scheduler-stats/pools")["pools"]) == len(("one", "many")),
        "both backends are reported",
        seconds=60,
    )
    tenants = [deployment.tenant(f"tenant{number}") for number in range(count)]
    networks = [
        item.ask("POST", "/share-networks", {"share_network": {}})["share_network"]
        for item in tenants
    ]
    return [(item, network["id"]) for item, network in zip(tenants, networks, strict=True)]


def work(tenant: Tenant, network: str, seed: int, end: float) -> None:
    """Create, extend, allow and delete, in no order."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in every(0.2, end):
        action = chance.choice(("create", "create", "delete", "allow", "extend"))
        if action == "create" and len(tenant.shares) < 12:
            many = chance.random() < 0.5
            tenant.create("many" if many else "one", network if many else None)
        elif action == "delete" and tenant.shares:
            tenant.delete(chance.choice(list(tenant.shares)))
        elif tenant.shares:
            share_id = chance.choice(list(tenant.shares))
            if tenant.statuses().get(share_id) != "available":
                continue
            if action == "extend":
                tenant.extend(share_id)
            elif action == "allow":
                address = IPv4Address("10.0.0.0") + next(CLIENTS)
                rule = {"access_type": "ip", "access_to": str(address), "access_level": "rw"}
                tenant.ask("POST", f"/shares/{share_id}/action", {"allow_access": rule})


@contextmanager
def at_work(tenants: Sequence[tuple[Tenant, str]], seconds: float) -> Iterator[None]:
    """Each on its share network, for so long; over when the block has been left."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(len(tenants)) as pool:
        working = [
            pool.submit(work, tenant, network, number, end)
            for number, (tenant, network) in enumerate(tenants)
        ]
        yield
        for item in working:
            item.result()


def end_well(
    deployment: Deployment, tenants: Sequence[tuple[Tenant, str]], seconds: float
) -> tuple[int, int]:
    """What was accepted comes about in that time, once, and nothing is left when it is deleted.

    How many shares were accepted, and how many of those that stayed were extended.
    """
    known = [tenant for tenant, _ in tenants]
    accepted = sum(len(tenant.shares) + len(tenant.deleted) for tenant in known)
    grown = sum(size > 1 for tenant in known for size in tenant.shares.values())
    assert accepted > len(known)
    assert grown
    limit = time.monotonic() + seconds
    while waiting := [item for tenant in known for item in unsettled(tenant)]:
        assert time.monotonic() < limit, waiting
        time.sleep(1)
    assert_none_twice(deployment, [share for tenant in known for share in tenant.shares])
    for tenant in known:
        for share in list(tenant.shares):
            tenant.delete(share)
    until(lambda: not left(deployment), "nothing is left", seconds=60)
    return accepted, grown


def settled(tenant: Tenant) -> bool:
    """Every share that was not asked to go is available and has its size, others are gone."""
    return not unsettled(tenant)


def unsettled(tenant: Tenant) -> set[tuple[str, tuple[str, int]]]:
    """What is and should not be, and what should be and is not."""
    wanted = {share_id: ("available", size) for share_id, size in tenant.shares.items()}
    return wanted.items() ^ tenant.states().items()


def assert_none_twice(deployment: Deployment, accepted: list[str]) -> None:
    """What exists on the backends is what was accepted, each once."""
    with deployment.db.read() as tx:
        rows = tx.execute(
            select(tables.share_instances.c.id, tables.share_instances.c.share_id)
        ).all()
    assert Counter(row.share_id for row in rows) == Counter(accepted)
    made = [share for world in deployment.worlds().values() for share in world["shares"]]
    assert Counter(made) == Counter(row.id for row in rows)
    servers = [item for world in deployment.worlds().values() for item in world["servers"].values()]
    addresses = Counter(address for item in servers for address in item["addresses"])
    assert set(addresses.values()) == {1}


def left(deployment: Deployment) -> list[str]:
    """Rows, addresses and things on the backends that should have gone."""
    with deployment.db.read() as tx:
        found = [
            f"{table.name}: {count}"
            for table in GONE
            if (count := tx.scalar(select(func.count()).select_from(table)))
        ]
        held = tx.scalar(
            select(func.count())
            .select_from(tables.addresses)
            .where(tables.addresses.c.owner.is_not(None))
        )
    found += [f"addresses: {held}"] if held else []
    return found + [
        f"{name}: {kind} {sorted(world[kind])}"
        for name, world in deployment.worlds().items()
        for kind in ("shares", "servers", "snapshots")
        if world[kind]
    ]
