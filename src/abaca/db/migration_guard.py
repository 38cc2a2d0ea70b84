"""One migration at a time on MariaDB, whichever node of a Galera cluster a process talks to.

MariaDB commits each change of the schema, so no transaction keeps others out; and its named
locks (GET_LOCK) are a node's own. A row is everybody's: of two nodes that insert the same
one, one is refused. The table is there only meanwhile: it comes before any migration.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from abaca.db.database import Database
from abaca.db.engine import translated
from abaca.errors import DatabaseFault, DatabaseUnavailable

log = structlog.get_logger()
WAIT_SECONDS = 300.0
EXPIRY_SECONDS = 30.0
"""How long the guard of a process that was killed keeps others out."""
LOOK_SECONDS = 0.1
TABLE = "schema_migrating"
_UNTIL = "UNIX_TIMESTAMP(SYSDATE(6)) + :seconds"
_MAKE = f"CREATE TABLE IF NOT EXISTS {TABLE} (id INT PRIMARY KEY, owner CHAR(32), until DOUBLE)"
_INSERT = f"INSERT INTO {TABLE} VALUES (1, :owner, {_UNTIL})"  # noqa: S608 - constants
_INHERIT = (
    f"UPDATE {TABLE} SET owner = :owner, until = {_UNTIL} "  # noqa: S608 - same
    "WHERE until < UNIX_TIMESTAMP(SYSDATE(6))"
)
_RENEW = f"UPDATE {TABLE} SET until = {_UNTIL} WHERE owner = :owner"  # noqa: S608 - same
_MINE = f"SELECT 1 FROM {TABLE} WHERE owner = :owner"  # noqa: S608 - same
_REFUSED = {1062, 1146, 1205, 1213}
"""Somebody's row is there; its table has just gone; lock not granted; not certified."""


@contextmanager
def alone(db: Database, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """No other process is in here; DatabaseUnavailable if one is for so long."""
    owner = uuid.uuid4().hex
    deadline = time.monotonic() + wait_seconds
    # Of its own: it must outlast every commit.
    with translated(), db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        while not _taken(connection, owner):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    "another process is migrating the database; if none is, one was killed: "
                    f"try again in {EXPIRY_SECONDS:.0f} s"
                )
            time.sleep(LOOK_SECONDS)
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(db, owner, done), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()
        _leave(db, owner)


def _taken(connection: Connection, owner: str) -> bool:
    """True if the guard is ours now: nobody had it, or who had it is gone."""
    asked = {"owner": owner, "seconds": EXPIRY_SECONDS}
    try:
        connection.execute(text(_MAKE))
        if connection.execute(text(_INHERIT), asked).rowcount:
            log.warning("migration_guard_inherited")
            return True
        connection.execute(text(_INSERT), asked)
    except DBAPIError as error:
        if error.orig is None or error.orig.args[0] not in _REFUSED:
            raise
        return False
    return True


def _keep(db: Database, owner: str, done: threading.Event) -> None:
    while not done.wait(EXPIRY_SECONDS / 6):
        try:
            with db.write() as tx:
                renewed = tx.execute(text(_RENEW), {"owner": owner, "seconds": EXPIRY_SECONDS})
            if not renewed.rowcount:
                log.warning("migration_guard_lost")
        except (DatabaseUnavailable, DatabaseFault) as error:
            log.warning("migration_guard_not_renewed", error=str(error))


def _leave(db: Database, owner: str) -> None:
    """Take the table away, unless somebody else has inherited it; else it expires."""
    try:
        with db.write() as tx:
            if tx.execute(text(_MINE), {"owner": owner}).scalar():
                tx.execute(text(f"DROP TABLE {TABLE}"))
    except (DatabaseUnavailable, DatabaseFault) as error:
        log.warning("migration_guard_left", error=str(error))
