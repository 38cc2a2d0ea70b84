"""Two APIs and two managers on one database, of which one manager is killed again and again.

``ABACA_SCALE_OUT_SECONDS`` and ``ABACA_SCALE_OUT_TENANTS`` make it long (120 and 32). The
database is that of the test run (``ABACA_TEST_DATABASE``), PostgreSQL in place of SQLite.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from abaca.db import tables
from abaca.testing.wait import until
from support.databases import Databases, main
from support.deployment import Deployment, every
from support.tenants import at_work, end_well, set_up, settled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
DATABASE = "postgresql" if main() == "sqlite" else main()
SECONDS = float(os.environ.get("ABACA_SCALE_OUT_SECONDS", "12"))
TENANTS = int(os.environ.get("ABACA_SCALE_OUT_TENANTS", "6"))
SETTLE_SECONDS = 120 + SECONDS
LEASE_SECONDS = 30
"""The option's default."""


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


def torment(deployment: Deployment, end: float) -> int:
    """Kill the managers in turn, and start each again after a second; how often.

    Never both: with none at work for a minute nothing new is accepted.
    """
    killed = 0
    for number in every(2.0, end):
        name = f"manager{number % 2 + 1}"
        deployment.kill(name)
        killed += 1
        time.sleep(1)
        deployment.start(name)
        deployment.until_working(name)
    return killed


def test_killed_managers_lose_nothing(deployment: Deployment) -> None:
    """Every accepted share ends available or deleted, none twice, and nothing is left."""
    for name in ("manager1", "manager2"):
        deployment.start(name)
        deployment.until_working(name)
    tenants = set_up(deployment, TENANTS)
    end = time.monotonic() + SECONDS
    with at_work(tenants, SECONDS):
        killed = torment(deployment, end)
    assert killed >= 1
    assert deployment.ended() == []
    accepted, grown = end_well(deployment, tenants, SETTLE_SECONDS)
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
