"""The schema that migrations make is the schema that the code has."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Float, event, text
from sqlalchemy.dialects.mysql import DOUBLE

from abaca.db import migrate
from abaca.db.database import Database
from abaca.db.tables import metadata
from abaca.errors import ConfigError


def open_at(path: Path) -> Database:
    """An embedded database in the folder."""
    return Database(f"sqlite:///{path}/abaca.sqlite")


def _differs(
    _context: object, _found: object, _wanted: object, found: object, wanted: object
) -> bool | None:
    """True for a column of another type; MariaDB has no Float(53) but calls it DOUBLE."""
    if isinstance(found, DOUBLE) and isinstance(wanted, Float) and wanted.precision == 53:
        return False
    return None


@pytest.mark.every_database
def test_migrations_make_what_the_tables_say(empty_url: str) -> None:
    """Nothing is left to be migrated after an upgrade."""
    db = Database(empty_url)
    assert migrate.version(db) is None
    assert migrate.upgrade(db)
    with db.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": _differs})
        assert compare_metadata(context, metadata) == []
    db.close()


def test_head_is_the_newest_file() -> None:
    """The constant that saves importing Alembic agrees with Alembic, whose history is one line."""
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


@pytest.mark.every_database
def test_an_upgrade_twice_is_one(empty_url: str) -> None:
    """The second one has nothing to do, and says so."""
    db = Database(empty_url)
    assert migrate.upgrade(db)
    assert not migrate.upgrade(db)
    assert migrate.version(db) == migrate.HEAD
    db.close()


@pytest.mark.every_database
def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    """Of four at once one migrates, and all find the schema."""
    dbs = [Database(empty_url) for _ in range(4)]
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda db=db: done.append(migrate.upgrade(db))) for db in dbs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == [False, False, False, True]
    for db in dbs:
        db.close()


def test_a_new_file_that_another_process_writes_to(tmp_path: Path) -> None:
    """Opening it waits for that process, which SQLite itself does not do here."""
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    db = Database(f"sqlite:///{path}")
    with db.read() as tx:
        assert tx.scalar(text("PRAGMA journal_mode")) == "wal"
    db.close()
    other.close()


@pytest.mark.every_database
def test_rows_survive_later_migrations(empty_url: str) -> None:
    """What the first schema held is there after an upgrade, with what refers to it."""
    db = Database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    with db.write() as tx:
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "0001")
        for statement in (
            """INSERT INTO share_types (id, name, is_public, created_at)
            VALUES ('t', 'gold', true, '2026-01-01')""",
            """INSERT INTO shares (id, project_id, size, share_proto, share_type_id, is_public,
            request, created_at) VALUES ('s', 'red', 1, 'NFS', 't', false, '{}', '2026-01-01')""",
            "INSERT INTO share_metadata VALUES ('s', 'team', 'x')",
        ):
            tx.execute(text(statement))
    assert migrate.upgrade(db)
    with db.read() as tx:
        assert tx.scalar(text("SELECT is_soft_deleted FROM shares WHERE id = 's'")) == 0
        assert tx.scalar(text("SELECT value FROM share_metadata WHERE share_id = 's'")) == "x"
    db.close()


def test_a_newer_database_is_refused(empty_url: str) -> None:
    """An old Abaca does not run on a schema that it doesn't know."""
    db = Database(empty_url)
    migrate.upgrade(db)
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="revision 9999"):
        migrate.upgrade(db)
    db.close()


def test_a_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    """On SQLite it is one transaction: half a schema would never be mended."""
    db = open_at(tmp_path)
    with db.write() as tx:
        # In the way of the last tables.
        tx.execute(text("CREATE TABLE snapshot_instances (id INTEGER)"))
    with pytest.raises(Exception, match="snapshot_instances"):
        migrate.upgrade(db)
    with db.read() as tx:
        names = tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
        assert set(names) == {"snapshot_instances"}
    db.close()


@pytest.mark.every_database
def test_a_migration_that_was_cut_off_is_done_by_the_next(empty_url: str) -> None:
    """Whatever statement was the last one (MariaDB commits each), the next start goes on."""
    db = Database(empty_url)
    left = 0

    def cut(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise ConnectionResetError

    for statements in (5, 40, 70):
        left = statements
        event.listen(db.engine, "before_cursor_execute", cut)
        with pytest.raises(ConnectionResetError):
            migrate.upgrade(db)
        event.remove(db.engine, "before_cursor_execute", cut)
    assert migrate.version(db) != migrate.HEAD
    assert migrate.upgrade(db)
    with db.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": _differs})
        assert compare_metadata(context, metadata) == []
    db.close()


def test_alembic_is_not_imported_at_head(tmp_path: Path) -> None:
    """A start on a current schema does not pay for Alembic."""
    db = open_at(tmp_path)
    migrate.upgrade(db)
    db.close()
    program = (
        "import sys; from abaca.db.database import Database; from abaca.db import migrate; "
        f"assert not migrate.upgrade(Database('sqlite:///{tmp_path}/abaca.sqlite')); "
        "sys.exit('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == 0
