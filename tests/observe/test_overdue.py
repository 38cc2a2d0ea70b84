"""Work that nobody takes over is seen, and what a pool has is told in GiB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db import clock, figures, migrate, pools
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.model.pool import Pool
from abaca.model.task import TaskKind
from abaca.modes import DriverMode
from abaca.observe.figures import Everything
from abaca.observe.health import OVERDUE_SECONDS, HealthCheck, Verdict
from abaca.work import queue

pytestmark = pytest.mark.every_database


@pytest.fixture
def db(empty_url: str) -> Iterator[Database]:
    """A database as a service finds it."""
    made = Database(empty_url)
    migrate.upgrade(made)
    yield made
    clock.jump(0)
    made.close()


def test_a_lease_that_nobody_takes_over(db: Database) -> None:
    """Just expired it is a matter of a second; a minute later the deployment is degraded."""
    with db.write() as tx:
        queue.enqueue(
            tx, TaskKind.SHARE, "a", queue="h@b", lane="a", project_id="p", request_id="r"
        )
        (task,) = queue.every(tx)
    with db.write() as tx:
        queue.claim(tx, [task.id], worker="dead", lease_seconds=-1)
    health = HealthCheck(db)()
    assert (health.leases_expired, health.leases_overdue) == (1, 0)
    assert health.verdict is Verdict.OK
    clock.jump(OVERDUE_SECONDS + 1)
    health = HealthCheck(db)()
    assert (health.leases_expired, health.leases_overdue) == (1, 1)
    assert health.verdict is Verdict.DEGRADED
    with db.write() as tx:
        queue.break_expired(tx)
    assert HealthCheck(db)().verdict is Verdict.OK
    with db.read() as tx:
        assert figures.leases_expired(tx) == 0


def test_what_a_pool_has(db: Database) -> None:
    """Total and free GiB of each pool, by backend and name."""
    names = ("gold", 100.0, 40.5), ("iron", 8.0, 0.0)
    found = [
        Pool(
            host="h@one",
            name=name,
            backend="one",
            driver_mode=DriverMode.SINGLE,
            availability_zone="nova",
            protocols=("NFS",),
            makes_networks=False,
            total_gib=total,
            free_gib=free,
            capabilities={},
            version=0,
            reported_at=now(),
        )
        for name, total, free in names
    ]
    with db.write() as tx:
        pools.report(tx, "h@one", found)
    family = next(item for item in Everything(db).collect() if item.name == "abaca_pool_gib")
    assert {tuple(item.labels.values()): item.value for item in family.samples} == {
        ("h@one", "gold", "total"): 100.0,
        ("h@one", "gold", "free"): 40.5,
        ("h@one", "iron", "total"): 8.0,
        ("h@one", "iron", "free"): 0.0,
    }
