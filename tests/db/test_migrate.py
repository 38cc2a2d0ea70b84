"""The schema that migrations make is the schema that the code has."""

from __future__ import annotations

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
from sqlalchemy import text

from abaca.db import migrate
from abaca.db.database import Database
from abaca.db.tables import metadata
from abaca.errors import ConfigError


def open_at(path: Path) -> Database:
    """An embedded database in the folder."""
    return Database(f"sqlite:///{path}/abaca.sqlite")


def test_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    """Nothing is left to be migrated after an upgrade."""
    db = open_at(tmp_path)
    assert migrate.version(db) is None
    assert migrate.upgrade(db)
    with db.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    db.close()


def test_head_is_the_newest_file() -> None:
    """The constant that saves importing Alembic agrees with Alembic, whose history is one line."""
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


def test_an_upgrade_twice_is_one(tmp_path: Path) -> None:
    """The second one has nothing to do, and says so."""
    db = open_at(tmp_path)
    assert migrate.upgrade(db)
    assert not migrate.upgrade(db)
    assert migrate.version(db) == migrate.HEAD
    db.close()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    """Of four at once one migrates, and all find the schema."""
    dbs = [open_at(tmp_path) for _ in range(4)]
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


def test_rows_survive_later_migrations(tmp_path: Path) -> None:
    """What the first schema held is there after an upgrade, with what refers to it."""
    db = open_at(tmp_path)
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    with db.write() as tx:
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "0001")
        for statement in (
            "INSERT INTO share_types (id, name, is_public, created_at) "
            "VALUES ('t', 'gold', 1, '2026-01-01')",
            "INSERT INTO shares (id, project_id, size, share_proto, share_type_id, is_public, "
            "request, created_at) VALUES ('s', 'red', 1, 'NFS', 't', 0, '{}', '2026-01-01')",
            "INSERT INTO share_metadata (share_id, key, value) VALUES ('s', 'team', 'x')",
        ):
            tx.execute(text(statement))
    assert migrate.upgrade(db)
    with db.read() as tx:
        assert tx.scalar(text("SELECT is_soft_deleted FROM shares WHERE id = 's'")) == 0
        assert tx.scalar(text("SELECT value FROM share_metadata WHERE share_id = 's'")) == "x"
    db.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """An old Abaca does not run on a schema that it doesn't know."""
    db = open_at(tmp_path)
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
