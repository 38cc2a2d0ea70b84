"""Transactions mean the same on every database: what is seen, who waits, what is tried again."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.pool import ConnectionPoolEntry

from abaca.db import availability_zones, pools, services
from abaca.db.database import Database
from abaca.db.engine import USED
from abaca.db.tables import availability_zones as zones
from abaca.db.tables import now
from abaca.errors import DatabaseUnavailable
from abaca.model.pool import Pool
from abaca.modes import DriverMode
from abaca.testing.databases import DatabaseServer
from support.databases import Databases

pytestmark = pytest.mark.every_database
STAMP = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


@pytest.fixture
def db(db: Database) -> Database:
    """Two rows to fight over."""
    for name in ("a", "b"):
        add(db, name)
    return db


def add(db: Database, name: str) -> None:
    """A row of that name and ID."""
    with db.write() as tx:
        tx.execute(insert(zones).values(id=name, name=name, created_at=STAMP))


def names(db: Database) -> list[str]:
    """All of them."""
    with db.read() as tx:
        return list(tx.execute(select(zones.c.name).order_by(zones.c.id)).scalars())


def test_a_reader_sees_one_state(db: Database) -> None:
    """What is committed between two of its statements is not seen."""
    with db.read() as tx:
        count = len(tx.execute(select(zones)).all())
        thread = threading.Thread(target=add, args=(db, "c"))
        thread.start()
        thread.join(30)
        assert len(tx.execute(select(zones)).all()) == count == 2
    assert names(db) == ["a", "b", "c"]


def test_a_glance_sees_what_was_committed_meanwhile(db: Database) -> None:
    """Each of its statements has a state of its own; what follows on the connection is as ever."""
    with db.glance() as tx:
        assert len(tx.execute(select(zones)).all()) == 2
        thread = threading.Thread(target=add, args=(db, "c"))
        thread.start()
        thread.join(30)
        assert len(tx.execute(select(zones)).all()) == 3
    with pytest.raises(ZeroDivisionError), db.glance() as tx:
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), db.write() as tx:  # noqa: PT012 - it is undone
        tx.execute(insert(zones).values(id="never", name="never", created_at=STAMP))
        raise ZeroDivisionError
    assert names(db) == ["a", "b", "c"]


def test_reads_keep_what_is_prepared(databases: Databases) -> None:
    """On PostgreSQL a statement that is read often is prepared once, and stays so."""
    with databases.one("postgresql") as url:
        db = Database(url, pool_size=1)
        for _ in range(10):
            names(db)
        with db.read() as tx:
            kept = tx.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        db.close()
    assert kept >= 1


def test_text_is_compared_exactly(db: Database) -> None:
    """Capitals, accents and trailing spaces make another name, as everywhere else."""
    for name in ("A", "á", "a ", "\N{ROCKET}"):
        add(db, name)
    with db.read() as tx:
        assert tx.scalar(select(zones.c.id).where(zones.c.name == "a ")) == "a "
        assert tx.scalar(select(zones.c.id).where(zones.c.name == "B")) is None
        assert tx.scalar(select(zones.c.created_at).where(zones.c.id == "A")) == STAMP


def test_a_deadlock_is_named_and_the_other_wins(db: Database) -> None:
    """Two that wait for each other: one is told to try again, and can (SQLite's take turns)."""
    meet = threading.Barrier(2)
    told: list[DatabaseUnavailable] = []

    def swap(first: str, second: str) -> None:
        def change(name: str) -> None:
            tx.execute(update(zones).where(zones.c.id == name).values(updated_at=STAMP))

        for attempt in range(5):
            try:
                with db.write() as tx:
                    change(first)
                    if attempt == 0 and not db.is_sqlite:
                        meet.wait(60)
                    change(second)
            except DatabaseUnavailable as error:
                told.append(error)
            else:
                return

    threads = [threading.Thread(target=swap, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert bool(told) is not db.is_sqlite
    with db.read() as tx:
        assert set(tx.execute(select(zones.c.updated_at)).scalars()) == {STAMP}


def test_managers_of_one_backend_that_start_together(db: Database) -> None:
    """Both report for the first time: the rows are made once, and nobody fails."""
    pool = Pool(
        host="shared@one",
        name="main",
        backend="one",
        driver_mode=DriverMode.SINGLE,
        availability_zone="nova",
        protocols=("NFS",),
        makes_networks=False,
        total_gib=10.0,
        free_gib=10.0,
        capabilities={},
        version=0,
        reported_at=now(),
    )
    meet = threading.Barrier(4)

    def report() -> None:
        meet.wait(60)
        with db.write() as tx:
            availability_zones.ensure(tx, "nova")
            services.seen(tx, "shared@one", "nova")
            pools.report(tx, "shared@one", [pool])

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(report) for _ in range(4)]:
            done.result(60)
    with db.read() as tx:
        assert [item.host for item in services.every(tx)] == ["shared@one"]
        assert [(item.host, item.name) for item in pools.every(tx)] == [("shared@one", "main")]


def processes(server: DatabaseServer) -> list[str]:
    """Of the server, by number."""
    assert server._process is not None
    first = str(server._process.pid)
    return [first, *Path(f"/proc/{first}/task/{first}/children").read_text().split()]


# PyMySQL leaves a socket that was refused to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_died_comes_back(databases: Databases, kind: str) -> None:
    """Killed: DatabaseUnavailable, also in mid-transaction; started again: all goes on."""
    url, server = databases.take(kind), databases.server(kind)
    db = Database(url)
    add(db, "kept")
    try:
        with pytest.raises(DatabaseUnavailable), db.write() as tx:  # noqa: PT012 - it is the commit
            tx.execute(insert(zones).values(id="lost", name="lost", created_at=STAMP))
            every = processes(server)
            server.kill()
            assert not any(Path(f"/proc/{item}").exists() for item in every)
        with pytest.raises(DatabaseUnavailable):
            names(db)
        gc.collect()
    finally:
        server.start()
    assert names(db) == ["kept"]
    db.close()
    databases.give_back(kind, url)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_restart_between_two_uses_is_not_noticed(databases: Databases, kind: str) -> None:
    """Connections that ended with the server while nobody used them are made anew."""

    def age(_dbapi: object, entry: ConnectionPoolEntry) -> None:
        entry.info[USED] -= 60

    url, server = databases.take(kind), databases.server(kind)
    db = Database(url)
    event.listen(db.engine, "checkin", age)
    add(db, "kept")
    gc.collect()
    server.stop()
    server.start()
    assert names(db) == ["kept"]
    add(db, "more")
    assert names(db) == ["kept", "more"]
    db.close()
    databases.give_back(kind, url)
