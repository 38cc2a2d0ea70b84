"""Two APIs and two managers on one database, of which one manager is killed again and again.

``ABACA_SCALE_OUT_SECONDS`` and ``ABACA_SCALE_OUT_TENANTS`` make it long (120 and 32). The
database is that of the test run (``ABACA_TEST_DATABASE``), PostgreSQL in place of SQLite.
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
from support.databases import Databases, main
from support.deployment import Deployment, Tenant, every

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DATABASE = "postgresql" if main() == "sqlite" else main()
SECONDS = float(os.environ.get("ABACA_SCALE_OUT_SECONDS", "12"))
TENANTS = int(os.environ.get("ABACA_SCALE_OUT_TENANTS", "6"))
SETTLE_SECONDS = 120
LEASE_SECONDS = 30
"""The option's default."""
GONE = (tables.shares, tables.share_instances, tables.share_servers, tables.allocations)


@pytest.fixture
def deployment(tmp_path: Path, databases: Databases) -> Iterator[Deployment]:
    """Two APIs; a test starts the managers."""
    url = databases.take(DATABASE)
    made = Deployment(tmp_path, url)
    try:
        made.start("api1")
        made.start("api2")
        yield made
    finally:
        made.stop()
        databases.give_back(DATABASE, url)


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
                address = f"192.0.2.{chance.randrange(1, 255)}"
                rule = {"access_type": "ip", "access_to": address, "access_level": "rw"}
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
    """Every share that was not asked to go is available and has its size, others are gone."""
    return tenant.states() == {key: ("available", size) for key, size in tenant.shares.items()}


def test_killed_managers_lose_nothing(deployment: Deployment) -> None:
    """Every accepted share ends available or deleted, none twice, and nothing is left."""
    for name in ("manager1", "manager2"):
        deployment.start(name)
    tenants = set_up(deployment, TENANTS)
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(TENANTS + 1) as pool:
        killing = pool.submit(torment, deployment, end)
        working = [
            pool.submit(work, tenant, network, seed, end)
            for seed, (tenant, network) in enumerate(tenants)
        ]
        for item in working:
            item.result()
        killed = killing.result()
    assert killed >= 3
    assert deployment.ended() == []
    accepted = sum(len(tenant.shares) + len(tenant.deleted) for tenant, _ in tenants)
    grown = sum(size > 1 for tenant, _ in tenants for size in tenant.shares.values())
    assert accepted > TENANTS
    assert grown
    until(
        lambda: all(settled(tenant) for tenant, _ in tenants),
        "every share is available or gone",
        seconds=SETTLE_SECONDS,
    )
    assert_none_twice(deployment, [share for tenant, _ in tenants for share in tenant.shares])
    for tenant, _ in tenants:
        for share in list(tenant.shares):
            tenant.delete(share)
    until(lambda: not left(deployment), "nothing is left", seconds=60)
    line = f"{TENANTS} tenants, {killed} managers killed, {accepted} shares accepted, {grown} grown"
    print(f"scale-out on {DATABASE}: {line}; 0 stuck, 0 twice, 0 left")  # noqa: T201 - the result


def test_a_manager_that_does_not_come_back(deployment: Deployment) -> None:
    """Within one lease of its death another does its work, on both backends."""
    deployment.start("manager2")
    ((tenant, network),) = set_up(deployment, 1)
    deployment.start("manager1", ABACA_FAULT="fake.share.make:before")
    limit = time.monotonic() + SETTLE_SECONDS
    # Whoever is faster has them: some until the one that is to die has had one.
    while not deployment.ended():
        assert time.monotonic() < limit, "it was never given work"
        tenant.create("one", None)
        tenant.create("many", network)
        time.sleep(0.1)
    until(lambda: not held_by(deployment, "manager1"), "taken over", seconds=LEASE_SECONDS)
    until(lambda: settled(tenant), "its work is done", seconds=SETTLE_SECONDS)
    assert deployment.ended() == ["manager1"]


def held_by(deployment: Deployment, manager: str) -> int:
    """How many tasks are under way as that manager's."""
    column = tables.tasks.c
    mine = column.running_lane.is_not(None), column.worker.startswith(f"{manager}:")
    with deployment.db.read() as tx:
        return int(tx.scalar(select(func.count()).where(*mine)))


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
