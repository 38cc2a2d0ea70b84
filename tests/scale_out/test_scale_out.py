"""Two APIs and two managers on one database, of which one manager is killed again and again.

``ABACA_SCALE_OUT_SECONDS`` and ``ABACA_SCALE_OUT_TENANTS`` make it long (120 and 32);
``ABACA_SCALE_OUT_DATABASE`` has it run on mariadb in place of postgresql.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from abaca.db import tables
from abaca.testing.wait import until
from support.databases import Databases
from support.deployment import Deployment, Tenant, every

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DATABASE = os.environ.get("ABACA_SCALE_OUT_DATABASE", "postgresql")
SECONDS = float(os.environ.get("ABACA_SCALE_OUT_SECONDS", "12"))
TENANTS = int(os.environ.get("ABACA_SCALE_OUT_TENANTS", "6"))
SETTLE_SECONDS = 120
GONE = (tables.shares, tables.share_instances, tables.share_servers, tables.allocations)


@pytest.fixture
def deployment(tmp_path: Path, databases: Databases) -> Iterator[Deployment]:
    """Two of each, started at the same time."""
    url = databases.take(DATABASE)
    made = Deployment(tmp_path, url)
    try:
        for name in ("manager1", "manager2", "api1", "api2"):
            made.start(name)
        yield made
    finally:
        made.stop()
        databases.give_back(DATABASE, url)


def set_up(deployment: Deployment) -> list[tuple[Tenant, str]]:
    """Share types, and tenants with a share network each."""
    admin = deployment.log_in("admin")
    for name, servers in (("one", False), ("many", True)):
        specs = {"driver_handles_share_servers": servers, "share_backend_name": name}
        admin.ask("POST", "/types", {"share_type": {"name": name, "extra_specs": specs}})
    until(
        lambda: len(admin.ask("GET", "/scheduler-stats/pools")["pools"]) == len(("one", "many")),
        "both backends are reported",
        seconds=60,
    )
    tenants = [deployment.tenant(f"tenant{number}") for number in range(TENANTS)]
    networks = [
        item.ask("POST", "/share-networks", {"share_network": {}})["share_network"]
        for item in tenants
    ]
    return [(item, network["id"]) for item, network in zip(tenants, networks, strict=True)]


def work(tenant: Tenant, network: str, seed: int, end: float) -> None:
    """Create, extend, allow and delete, in no order."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in every(0.2, end):
        action = chance.choice(("create", "create", "delete", "allow"))
        if action == "create" and len(tenant.shares) < 12:
            many = chance.random() < 0.5
            tenant.create("many" if many else "one", network if many else None)
        elif action == "delete" and tenant.shares:
            tenant.delete(chance.choice(list(tenant.shares)))
        elif action == "allow" and tenant.shares:
            address = f"192.0.2.{chance.randrange(1, 255)}"
            rule = {"access_type": "ip", "access_to": address, "access_level": "rw"}
            share_id = chance.choice(list(tenant.shares))
            allowed = tenant.statuses().get(share_id) == "available"
            if allowed:
                tenant.ask("POST", f"/shares/{share_id}/action", {"allow_access": rule})


def torment(deployment: Deployment, end: float) -> int:
    """Kill the managers in turn, and start each again after a second; how often."""
    killed = 0
    for number in every(2.0, end):
        name = f"manager{number % 2 + 1}"
        deployment.kill(name)
        killed += 1
        time.sleep(1)
        deployment.start(name)
    return killed


def settled(tenant: Tenant) -> bool:
    """Every share that was not asked to go is available, every other one is gone."""
    return tenant.statuses() == dict.fromkeys(tenant.shares, "available")


def test_killed_managers_lose_nothing(deployment: Deployment) -> None:
    """Every accepted share ends available or deleted, none twice, and nothing is left."""
    tenants = set_up(deployment)
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(TENANTS + 1) as pool:
        killing = pool.submit(torment, deployment, end)
        working = [
            pool.submit(work, tenant, network, seed, end)
            for seed, (tenant, network) in enumerate(tenants)
        ]
        for item in working:
            item.result()
        assert killing.result() >= 3
    assert deployment.ended() == []
    assert sum(len(tenant.shares) + len(tenant.deleted) for tenant, _ in tenants) > TENANTS
    until(
        lambda: all(settled(tenant) for tenant, _ in tenants),
        "every share is available or gone",
        seconds=SETTLE_SECONDS,
    )
    assert_none_twice(deployment, [share for tenant, _ in tenants for share in tenant.shares])
    for tenant, _ in tenants:
        for share in list(tenant.shares):
            tenant.delete(share)
    until(lambda: not left(deployment), f"nothing is left: {left(deployment)}", seconds=60)


def assert_none_twice(deployment: Deployment, accepted: list[str]) -> None:
    """What exists on the backends is what was accepted, each once."""
    with deployment.db.read() as tx:
        rows = tx.execute(
            select(tables.share_instances.c.id, tables.share_instances.c.share_id)
        ).all()
    assert Counter(row.share_id for row in rows) == Counter(accepted)
    made = [share for world in deployment.worlds().values() for share in world["shares"]]
    assert Counter(made) == Counter(row.id for row in rows)


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
