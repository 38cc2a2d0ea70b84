"""Connections to each kind of database, set up so that transactions mean the same on all.

Writers read what is committed, and lock what they change (READ COMMITTED: on
MariaDB it also does without most gap locks, which Galera has none of). Readers
see one state (REPEATABLE READ, which blocks nobody). Nobody waits for ever: not
for a lock, not for a host that is gone, and the database does not wait for one
that died in the middle of a transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import tenacity
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InternalError,
    InvalidatePoolError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from abaca import errors

if TYPE_CHECKING:
    import psycopg

BUSY_SECONDS = 60
LOCK_SECONDS = 20
"""How long a lock is waited for; then the transaction fails, and is tried again."""
IDLE_SECONDS = 60
"""After how long the database ends a transaction of which it hears nothing more."""
RECYCLE_SECONDS = 1800
FRESH_SECONDS = 1.0
"""A connection that was used so lately is not asked whether it still lives."""
GALERA = "galera"
"""In the `info` of connections to a node of a Galera cluster."""
_ENDED = "ended"
"""In the `info` of connections: nothing was done since its last transaction ended."""
USED = "used"
"""In the `info` of connections: when it came back to the pool, by `time.monotonic`."""
_CAUSAL = 1 | 2 | 4
"""Before reads, before UPDATE and DELETE, before INSERT."""
_CONNECT: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": 10,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    },
    "mysql": {"connect_timeout": 10, "read_timeout": 300, "write_timeout": 60},
}
# A standby that was taken for the server, or a server that is being replaced.
_READ_ONLY = "25006"
# Table or column: SQLite's words, MariaDB's numbers, PostgreSQL's states.
_LACKING = ("no such table: ", "no such column: ", "has no column named ")
_UNKNOWN = {1054, 1146}
_UNDEFINED = {"42P01", "42703"}
# MariaDB's and Galera's; PostgreSQL's.
_DEADLOCK = 1213
_SERIALISED = {"40001", "40P01"}
_PASSING = (
    OperationalError,
    InternalError,  # the server's or the connection's own state
    DisconnectionError,
    PoolTimeoutError,
    sqlite3.OperationalError,  # of a ROLLBACK that goes past SQLAlchemy
)
_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "abaca[postgresql]"),
    "mysql": ("mysql+pymysql", "abaca[mysql]"),
}


def kind_of(name: str) -> str:
    """``sqlite``, ``postgresql`` or ``mysql`` (MariaDB too) from SQLAlchemy's dialect name."""
    return "mysql" if name == "mariadb" else name


def make_engine(url: str, pool_size: int) -> Engine:
    """An engine whose connections are set up; it connects at its first use.

    ConfigError if the Python package for this kind of database is missing.
    """
    where = with_driver(url)
    kind = kind_of(where.get_backend_name())
    # Values may be passwords, and errors are logged.
    options = {
        "pool_size": pool_size,
        "max_overflow": pool_size,
        # The one used last has its statements prepared, and its pages at hand.
        "pool_use_lifo": True,
        "hide_parameters": True,
    }
    if kind == "sqlite":
        engine = create_engine(where, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    asked = {name: value for name, value in _CONNECT[kind].items() if name not in where.query}
    try:
        engine = create_engine(
            where,
            **options,
            connect_args=asked,
            isolation_level="READ COMMITTED",
            pool_recycle=RECYCLE_SECONDS,
            pool_reset_on_return=None,  # `_end_what_is_open` does
        )
    except ImportError as error:
        package = _DRIVERS[kind][1]
        text = f"[database] connection: {error.name or error} is not installed"
        raise errors.ConfigError([f"{text}; pip install '{package}'"]) from error
    event.listen(
        engine, "connect", _prepare_postgresql if kind == "postgresql" else _prepare_mariadb
    )
    event.listen(engine, "reset", _end_what_is_open)
    _ask_idle_ones(engine)
    return engine


def mark_ended(connection: Connection) -> None:
    """Its last transaction was committed or rolled back: the pool need not do it again."""
    if not connection.invalidated:
        connection.info[_ENDED] = True


def _end_what_is_open(
    dbapi: Any,  # noqa: ANN401 - the driver's
    entry: ConnectionPoolEntry | None,
    state: PoolResetState,
) -> None:
    """A connection that goes back to the pool is in no transaction."""
    ended = entry is not None and entry.info.pop(_ENDED, False)  # None: it was taken from the pool
    if not (ended or state.transaction_was_reset or state.terminate_only):
        dbapi.rollback()


def _ask_idle_ones(engine: Engine) -> None:
    """Connections that ended with their server while nobody used them are made anew."""

    def used(_dbapi: object, entry: ConnectionPoolEntry) -> None:
        entry.info[USED] = time.monotonic()

    def ask(dbapi: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401
        if time.monotonic() - entry.info.get(USED, float("inf")) < FRESH_SECONDS:
            return
        try:
            engine.dialect.do_ping(dbapi)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", used)
    event.listen(engine, "checkout", ask)


def with_driver(url: str) -> URL:
    """The URL with the driver that Abaca uses, where it names none. ConfigError if it is none."""
    try:
        where = make_url(url)
        kind = kind_of(where.get_backend_name())
    except (ValueError, NoSuchModuleError, errors.AbacaError) as error:
        raise errors.ConfigError([f"[database] connection: {error}"]) from error
    if "+" in where.drivername or kind not in _DRIVERS:
        return where
    return where.set(drivername=_DRIVERS[kind][0])


@contextmanager
def reading(connection: Connection, kind: str, *, steady: bool) -> Iterator[None]:
    """Nothing is written in the block; if ``steady``, what it reads is one state."""
    if kind == "postgresql":
        with _reading_postgresql(connection, steady=steady):
            yield
        return
    if kind == "sqlite" and steady:
        connection.begin()
        # Past SQLAlchemy, which takes five times as long.
        cast("sqlite3.Connection", connection.connection.dbapi_connection).execute("BEGIN")
    elif steady:
        # For the next transaction alone: one round trip, and nothing to set back.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        yield
    finally:
        connection.rollback()
        mark_ended(connection)


@contextmanager
def _reading_postgresql(connection: Connection, *, steady: bool) -> Iterator[None]:
    """Ended by a commit: at a rollback the driver forgets every statement that it prepared."""
    from psycopg import IsolationLevel  # noqa: PLC0415 - only where it is used
    from psycopg.pq import TransactionStatus  # noqa: PLC0415

    raw = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
    if steady:
        raw.isolation_level = IsolationLevel.REPEATABLE_READ
    else:
        raw.autocommit = True
    try:
        yield
        connection.commit()
        mark_ended(connection)
    except BaseException:
        connection.rollback()
        raise
    finally:
        if raw.pgconn.transaction_status == TransactionStatus.IDLE:
            raw.isolation_level = IsolationLevel.READ_COMMITTED
            raw.autocommit = False
        elif not connection.invalidated:
            connection.invalidate()


@contextmanager
def translated() -> Iterator[None]:
    """What SQLAlchemy and the drivers raise becomes an error of the tree.

    Deadlocks, lost connections and the like are DatabaseUnavailable, a broken constraint is
    RowRefused, a table or column that is not there WrongSchema, everything else is DatabaseFault.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        if _lacks(said):
            raise errors.WrongSchema(" ".join(str(said).split())) from error
        raise _meaning(error)(f"database: {error}") from error


def _lacks(error: BaseException | None) -> bool:
    """True if the database has not a table or column that it was asked for."""
    first = error.args[0] if error is not None and error.args else None
    if isinstance(error, sqlite3.Error):
        return any(words in str(first) for words in _LACKING)
    return first in _UNKNOWN or getattr(error, "sqlstate", None) in _UNDEFINED


def _meaning(error: Exception) -> type[errors.AbacaError]:
    if isinstance(error, DBAPIError) and _lost(error.orig):
        return errors.TransactionRefused
    if isinstance(error, _PASSING):
        return errors.DatabaseUnavailable
    if isinstance(error, DBAPIError) and (
        error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _READ_ONLY
    ):
        return errors.DatabaseUnavailable
    return errors.RowRefused if isinstance(error, IntegrityError) else errors.DatabaseFault


def _lost(error: BaseException | None) -> bool:
    """True if the server chose this transaction of several that excluded each other."""
    number = error.args[0] if error is not None and error.args else None
    return number == _DEADLOCK or getattr(error, "sqlstate", None) in _SERIALISED


def _prepare_sqlite(dbapi: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401
    # Transactions are begun by hand: the sqlite3 module would begin them too late.
    dbapi.isolation_level = None
    dbapi.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _write_ahead(dbapi)
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY"):
        dbapi.execute(f"PRAGMA {pragma}")


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(sqlite3.OperationalError),
    wait=tenacity.wait_random_exponential(multiplier=0.01, max=0.5),
    stop=tenacity.stop_after_delay(LOCK_SECONDS),
    reraise=True,
)
def _write_ahead(dbapi: sqlite3.Connection) -> None:
    """Has the file in WAL mode, which it keeps.

    While another process makes the first tables SQLite refuses the change at once, whatever
    the busy timeout is.
    """
    dbapi.execute("PRAGMA journal_mode = WAL")


def _prepare_postgresql(dbapi: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401
    dbapi.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    dbapi.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    dbapi.execute("SET timezone = 'UTC'")
    dbapi.commit()


def _prepare_mariadb(dbapi: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ANN401
    settings = [
        # Whatever the server's own is: nothing is cut to fit in silence.
        "sql_mode = 'TRADITIONAL'",
        "time_zone = '+00:00'",
        f"innodb_lock_wait_timeout = {LOCK_SECONDS}",
    ]
    if "MariaDB" in dbapi.get_server_info():
        settings.append(f"idle_transaction_timeout = {IDLE_SECONDS}")
    with dbapi.cursor() as cursor:
        cursor.execute("SHOW VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'")
        if cursor.fetchone():
            entry.info[GALERA] = True
            # A transaction sees what any node had committed before it began.
            settings.append(f"wsrep_sync_wait = {_CAUSAL}")
        cursor.execute(f"SET SESSION {', '.join(settings)}")
