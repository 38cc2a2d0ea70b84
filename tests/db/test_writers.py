"""Writers of SQLite that wait for each other share a commit, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select

from abaca.db.database import Database, Tx
from abaca.db.tables import availability_zones as zones
from abaca.db.tables import now
from abaca.db.writers import MOST
from abaca.errors import DatabaseUnavailable, RowRefused

SECONDS = 30


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    made = Database(f"sqlite:///{tmp_path}/abaca.db")
    made.create_schema()
    yield made
    made.close()


def add(tx: Tx, name: str) -> None:
    """A row of that name."""
    tx.execute(insert(zones).values(id=name, name=name, created_at=now()))


def names(db: Database) -> list[str]:
    """All that are committed."""
    with db.read() as tx:
        return list(tx.execute(select(zones.c.name).order_by(zones.c.name)).scalars())


class Crowd:
    """Writers that come while the first is at work: all wait until `let_go`."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.commits = 0
        self._begun, self._open = threading.Event(), threading.Event()
        self._threads = ThreadPoolExecutor(2 * MOST)
        event.listen(db.engine, "commit", self._count)
        self.first = self._threads.submit(self._lead)
        assert self._begun.wait(SECONDS)

    def _count(self, _connection: object) -> None:
        self.commits += 1

    def _lead(self) -> None:
        with self.db.write() as tx:
            add(tx, "first")
            self._begun.set()
            assert self._open.wait(SECONDS)

    def come(self, *bodies: Callable[[Tx], object]) -> list[Future[None]]:
        """Writers, in this order; they wait for their turn."""
        found = []
        for number, body in enumerate(bodies, 1):
            found.append(self._threads.submit(self._write, body))
            self._until_waiting(number)
        return found

    def _until_waiting(self, count: int) -> None:
        deadline = time.monotonic() + SECONDS
        while len(self.db._writers._waiting) < count:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def _write(self, body: Callable[[Tx], object]) -> None:
        with self.db.write() as tx:
            body(tx)

    def let_go(self) -> None:
        """The first goes on."""
        self._open.set()

    def close(self) -> None:
        """Wait for all."""
        self.let_go()
        self._threads.shutdown()


@pytest.fixture
def crowd(db: Database) -> Iterator[Crowd]:
    """With the first at work."""
    made = Crowd(db)
    yield made
    made.close()


def adding(name: str) -> Callable[[Tx], object]:
    """A writer that adds a row."""
    return lambda tx: add(tx, name)


def test_who_waits_shares_a_commit(crowd: Crowd) -> None:
    """One commit for all of a group; the group is bounded."""
    rows = [f"row-{number:03}" for number in range(MOST + 3)]
    waiting = crowd.come(*map(adding, rows))
    crowd.let_go()
    for writer in (crowd.first, *waiting):
        writer.result(SECONDS)
    assert names(crowd.db) == ["first", *rows]
    assert crowd.commits == 2


def test_nobody_returns_before_the_commit(crowd: Crowd) -> None:
    """While the last of a group is at work, the first still waits, and its row is not seen."""
    begun, on = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        add(tx, "slow")
        begun.set()
        assert on.wait(SECONDS)

    (last,) = crowd.come(slow)
    crowd.let_go()
    assert begun.wait(SECONDS)
    assert (crowd.first.done(), names(crowd.db)) == (False, [])
    on.set()
    last.result(SECONDS)
    crowd.first.result(SECONDS)
    assert names(crowd.db) == ["first", "slow"]


def test_who_fails_is_undone_alone(crowd: Crowd) -> None:
    """The others of its group are committed; what it had done before it failed is not."""

    def fail(tx: Tx) -> None:
        add(tx, "half")
        add(tx, "half")

    before, broken, after = crowd.come(adding("before"), fail, adding("after"))
    crowd.let_go()
    with pytest.raises(RowRefused):
        broken.result(SECONDS)
    for writer in (crowd.first, before, after):
        writer.result(SECONDS)
    assert names(crowd.db) == ["after", "before", "first"]


def test_all_are_told_when_sqlite_gave_up(crowd: Crowd) -> None:
    """Of some faults SQLite undoes all of a transaction: nobody of the group believes otherwise."""
    again = (
        "INSERT OR ROLLBACK INTO availability_zones (id, name, created_at) "
        "VALUES ('first', 'first', '2026-01-01')"
    )
    broken, after = crowd.come(lambda tx: tx.connection.exec_driver_sql(again), adding("after"))
    crowd.let_go()
    with pytest.raises(DatabaseUnavailable, match="not committed"):
        crowd.first.result(SECONDS)
    assert broken.exception(SECONDS) is not None
    after.result(SECONDS)
    assert names(crowd.db) == ["after"]


def test_a_commit_that_fails_is_told_to_all(crowd: Crowd) -> None:
    """Nothing of the group is there, and each of its writers knows; the next ones go on."""

    def break_the_commit(tx: Tx) -> None:
        tx.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        tx.connection.exec_driver_sql(
            "INSERT INTO share_metadata (share_id, key, value) VALUES ('nothing', 'k', 'v')"
        )

    broken = crowd.come(break_the_commit)
    crowd.let_go()
    for writer in (crowd.first, *broken):
        with pytest.raises(DatabaseUnavailable, match="not committed"):
            writer.result(SECONDS)
    assert names(crowd.db) == []
    with crowd.db.write() as tx:
        add(tx, "next")
    assert names(crowd.db) == ["next"]
