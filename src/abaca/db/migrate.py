"""Brings the database's schema to what this code needs.

Alembic is half of a start's time and memory, so it is imported only when there
is something to do: `HEAD` is what it would find in ``migrations/versions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import inspect
from sqlalchemy import text as sql

from abaca.db.database import Database, Tx
from abaca.db.engine import translated
from abaca.errors import ConfigError, DatabaseUnavailable

log = structlog.get_logger()

HEAD = "0002"
"""The newest revision; a test compares it with the files."""

FOLDER = Path(__file__).parent / "migrations"
LOCK_SECONDS = 300
_TABLE = "alembic_version"
_LOCK = 0x6162616361


def version(db: Database) -> str | None:
    """The database's revision; None if it is empty."""
    with db.read() as tx:
        return _version(tx)


def upgrade(db: Database) -> bool:
    """Migrate to `HEAD`; True if there was something to do.

    Processes that start at the same time wait for the first. One that is
    killed leaves nothing half done, or, on MariaDB, what the next one goes on
    with. ConfigError if the database is newer than this code.
    """
    if version(db) == HEAD:
        return False
    with _alone(db), db.write() as tx:
        if tx.dialect == "postgresql":
            tx.execute(sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            tx.execute(sql(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        before = _version(tx)
        if before == HEAD:
            return False
        _run(tx, before)
    log.info("database_migrated", before=before, now=HEAD)
    return True


@contextmanager
def _alone(db: Database) -> Iterator[None]:
    """On MariaDB no other process migrates meanwhile; elsewhere the transaction sees to that.

    The lock has a connection of its own, since it must outlast the commit.
    """
    if db.kind != "mysql":
        yield
        return
    # Of this database, not of the whole server: its names are one space.
    name = "CONCAT('abaca-', SHA1(DATABASE()))"
    with translated(), db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(sql(f"SELECT GET_LOCK({name}, {LOCK_SECONDS})")) != 1:
            raise DatabaseUnavailable("another process is migrating the database")
        try:
            yield
        finally:
            connection.execute(sql(f"SELECT RELEASE_LOCK({name})"))


def _version(tx: Tx) -> str | None:
    if not inspect(tx.connection).has_table(_TABLE):
        return None
    found = tx.scalar(sql(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608 - a constant
    return None if found is None else str(found)


def _run(tx: Tx, before: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = tx.connection
    known = {item.revision for item in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in known:
        text = f"the database is at revision {before}, which this Abaca does not know"
        raise ConfigError([f"{text}: install the version that made it, or a newer one"])
    command.upgrade(config, HEAD)
