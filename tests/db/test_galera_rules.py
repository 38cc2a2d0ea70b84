"""What a Galera cluster asks of its clients, as far as one MariaDB server can show it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pymysql
import pytest
from sqlalchemy import Table, UniqueConstraint, event, insert, inspect, select, text

from abaca.db import migrate, migration_guard
from abaca.db.database import Database
from abaca.db.tables import availability_zones as zones
from abaca.db.tables import metadata, now
from abaca.errors import DatabaseUnavailable
from abaca.testing.wait import until
from support.databases import Databases

REFUSED = {
    "not certified": (1213, "Deadlock found when trying to get lock; try restarting transaction"),
    "not in the cluster": (1047, "WSREP has not yet prepared node for application use"),
}


@pytest.fixture
def db(databases: Databases) -> Iterator[Database]:
    """A migrated database on MariaDB."""
    with databases.one("mariadb") as url:
        made = Database(url)
        yield made
        made.close()


def add(db: Database) -> None:
    """A row."""
    with db.write() as tx:
        tx.execute(insert(zones).values(id="a", name="a", created_at=now()))


def names(db: Database) -> list[str]:
    """Every row's."""
    with db.read() as tx:
        return list(tx.execute(select(zones.c.name)).scalars())


def test_every_table_has_a_key_of_rows() -> None:
    """A primary key, or what InnoDB takes for one: Galera deletes no rows without."""
    assert [table.name for table in metadata.sorted_tables if not has_key(table)] == []


def has_key(table: Table) -> bool:
    """True for a primary key, or a unique one over columns that are never NULL."""
    unique = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    complete = [item for item in unique if not any(column.nullable for column in item.columns)]
    return bool(table.primary_key.columns or complete)


def test_writers_read_what_is_committed(db: Database) -> None:
    """READ COMMITTED, by the server's own word, so without gap locks; readers see one state."""
    asked = text("SELECT @@tx_isolation")
    with db.write() as tx:
        assert tx.scalar(asked) == "READ-COMMITTED"
        tx.scalar(select(zones.c.id).where(zones.c.id == "nobody").with_for_update())
        # A gap lock on what is not there would have this one wait.
        adding = threading.Thread(target=add, args=(db,))
        adding.start()
        adding.join(10)
        assert not adding.is_alive()
    assert names(db) == ["a"]


@pytest.mark.parametrize("error", REFUSED.values(), ids=REFUSED)
def test_a_refused_commit_may_be_tried_again(db: Database, error: tuple[int, str]) -> None:
    """It is DatabaseUnavailable, nothing of it was written, and the next attempt succeeds."""
    left = [error]

    def refuse(raw: pymysql.Connection, *_: object) -> None:
        real = raw.commit

        def commit() -> None:
            raw.commit = real
            raw.rollback()
            raise pymysql.err.OperationalError(*left.pop())

        if left:
            raw.commit = commit

    event.listen(db.engine, "checkout", refuse)
    with pytest.raises(DatabaseUnavailable, match=str(error[0])):
        add(db)
    assert left == []
    assert names(db) == []
    add(db)
    assert names(db) == ["a"]


def test_a_node_that_is_not_ready_may_be_asked_again(db: Database) -> None:
    """Refused at the first statement, as a node does that has lost its cluster."""
    left = [REFUSED["not in the cluster"]]

    def refuse(*_: object) -> None:
        if left:
            raise pymysql.err.OperationalError(*left.pop())

    event.listen(db.engine, "do_execute", refuse)
    with pytest.raises(DatabaseUnavailable, match="1047"):
        add(db)
    add(db)
    assert names(db) == ["a"]


def test_one_migrates_at_a_time(db: Database) -> None:
    """The guard is a row, which every node sees; it is gone afterwards."""
    with migration_guard.alone(db):
        waiting = migration_guard.alone(db, wait_seconds=0.3)
        with pytest.raises(DatabaseUnavailable, match="migrating"), waiting:
            pytest.fail("two are in there")
        assert inspect(db.engine).has_table(migration_guard.TABLE)
    with migration_guard.alone(db, wait_seconds=0.3):
        pass
    assert not inspect(db.engine).has_table(migration_guard.TABLE)


def test_the_guard_of_the_dead_expires(databases: Databases) -> None:
    """A process that was killed in the middle keeps the next one out for a bounded time."""
    url = databases.server("mariadb").create()
    db = Database(url)
    name = migration_guard.TABLE
    guard = f"CREATE TABLE {name} (id INT PRIMARY KEY, owner CHAR(32), until DOUBLE)"
    expiry = f"INSERT INTO {name} VALUES (1, 'dead', UNIX_TIMESTAMP(SYSDATE(6)) + 1)"  # noqa: S608
    with db.write() as tx:
        tx.execute(text(guard))
        tx.execute(text(expiry))
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(migrate.upgrade(db)))
    thread.start()
    thread.join(0.3)
    assert not inspect(db.engine).has_table("alembic_version")
    until(lambda: done == [True], "it goes on")
    thread.join(20)
    assert not inspect(db.engine).has_table(migration_guard.TABLE)
    db.close()
    databases.server("mariadb").drop(url)
