"""Whoever was paused in the middle of a transaction, and still holds what it locked there."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from abaca.db.database import Database
from abaca.db.tables import tasks as rows
from support.databases import Databases
from support.task_queue import Queue, Script


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_row_that_a_sleeper_holds_keeps_nobody_else_waiting(
    databases: Databases, kind: str
) -> None:
    """Leases beside it that ran out are broken, and what is new is done; then its own is."""
    url = databases.take(kind)
    db = Database(url)
    db.create_schema()
    tasks, script = Queue(db), Script()
    for name in ("held", "expired"):
        tasks.put(name)
    tasks.claim(lease_seconds=-1)
    tasks.put("new")
    with db.read() as tx:
        held = tx.execute(select(rows.c.id).where(rows.c.resource_id == "held")).scalar_one()
    with db.write() as sleeper:
        sleeper.execute(select(rows.c.id).where(rows.c.id == held).with_for_update())
        tasks.work(script)
        tasks.until(lambda: {item.resource_id for item in script.runs} == {"expired", "new"})
    tasks.until_empty()
    tasks.stop()
    db.close()
    databases.give_back(kind, url)
    assert sorted(item.resource_id for item in script.runs) == ["expired", "held", "new"]
