"""One database: transactions that either read or write, on SQLite, PostgreSQL or MariaDB.

What a connection is set up with is in `abaca.db.engine`. SQLite runs in WAL
mode with ``synchronous = FULL`` (what was accepted is durable). Its writers
start with BEGIN IMMEDIATE, since a deferred transaction that reads and then
writes fails at once when another wrote; inside a process they queue up first
come, first served, because SQLite's busy handler starves some.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_origin, get_type_hints

from sqlalchemy import Connection, CursorResult, Executable, Row, Table
from sqlalchemy.exc import IntegrityError

from abaca.db.engine import begin_read, kind_of, make_engine, translated
from abaca.db.tables import metadata
from abaca.steps import commit, fault, running

T = TypeVar("T")
REQUEST = commit("request")
"""A commit neither in a step nor named: those of the API, and of commands."""


@dataclass(slots=True)
class Tx:
    """One open transaction; everything inside commits or nothing does."""

    connection: Connection
    _after: list[Callable[[], None]] = field(default_factory=list)

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:  # noqa: ANN401
        """Run one statement (``values``: a mapping, or a list of them for many rows)."""
        return self.connection.execute(statement, values)

    def one(self, cls: type[T], statement: Executable) -> T | None:
        """The only row as a dataclass whose fields the columns are named after, or None."""
        row = self.connection.execute(statement).one_or_none()
        return None if row is None else load(cls, row)

    def all(self, cls: type[T], statement: Executable) -> list[T]:
        """Every row as a dataclass."""
        return [load(cls, row) for row in self.connection.execute(statement)]

    def scalar(self, statement: Executable) -> Any:  # noqa: ANN401
        """First column of the first row, or None."""
        return self.connection.execute(statement).scalar()

    def add(self, statement: Executable) -> bool:
        """Insert a row; False, and nothing done, if another process made the same one first."""
        try:
            with self.connection.begin_nested():
                self.connection.execute(statement)
        except IntegrityError:
            return False
        return True

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call this once the transaction is durable (wake-ups); must not raise."""
        self._after.append(action)

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql`` (MariaDB too)."""
        return kind_of(self.connection.dialect.name)


@cache
def _converters(cls: Callable[..., Any]) -> dict[str, Callable[[Any], Any] | None]:
    """By field: how to make the field's type from what the database gave."""
    hints = get_type_hints(cls)
    return {item.name: _converter(hints[item.name]) for item in fields(cls) if item.init}  # type: ignore[arg-type]


def _converter(hint: Any) -> Callable[[Any], Any] | None:  # noqa: ANN401
    if get_origin(hint) is tuple:
        return tuple
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    return None


def load(cls: type[T], row: Row[Any], *, prefix: str = "", **extra: object) -> T:
    """A dataclass from a row; columns that are no fields are passed over, ``extra`` wins.

    Strings become the field's StrEnum, JSON lists its tuple. With ``prefix`` the
    columns are those labelled so (a join of two tables with equal names).
    """
    mapping = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    values = {
        name: convert(mapping[prefix + name]) if convert else mapping[prefix + name]
        for name, convert in _converters(cls).items()  # type: ignore[arg-type]
        if prefix + name in mapping
    }
    return cls(**{**values, **extra})


def dump(item: object, table: Table) -> dict[str, Any]:
    """The columns of a new row from a dataclass: those that are named like fields of it."""
    return {c.name: getattr(item, c.name) for c in table.c if hasattr(item, c.name)}


class _FifoLock:
    """A lock that serves waiters in the order they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class Database:
    """A connection pool and the two kinds of transaction. Thread-safe.

    ``url`` is a SQLAlchemy URL (``sqlite:////var/lib/abaca/abaca.db``).
    """

    def __init__(self, url: str, *, pool_size: int = 32) -> None:
        self.engine = make_engine(url, pool_size)
        self.kind = kind_of(self.engine.dialect.name)
        self.is_sqlite = self.kind == "sqlite"
        self._writers = _FifoLock()

    def create_schema(self) -> None:
        """Make all tables that are missing (tests; a service migrates instead)."""
        with self.engine.connect() as connection:
            # All in one transaction: each by itself would wait for the disk.
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            metadata.create_all(connection)
            if self.is_sqlite:
                connection.exec_driver_sql("COMMIT")
            connection.commit()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that sees one state and writes nothing."""
        with translated(), self.engine.connect() as connection:
            begin_read(connection, self.kind)
            try:
                yield Tx(connection)
            finally:
                connection.rollback()
                if self.is_sqlite:
                    _end(connection, "ROLLBACK")

    @contextmanager
    def write(self, name: str = REQUEST) -> Iterator[Tx]:
        """A transaction that commits at the end of the block, or rolls back on any exception.

        ``name``: what its commit is called as a fault point, outside of steps.
        """
        point = f"commit.{running() or name}"
        if self.is_sqlite:
            with self._writers:
                tx = yield from self._write(point)
        else:
            tx = yield from self._write(point)
        for action in tx._after:  # noqa: SLF001 - same module
            action()

    def _write(self, point: str) -> Generator[Tx, None, Tx]:
        with translated(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            tx = Tx(connection)
            try:
                yield tx
                fault(f"{point}:before")
                if self.is_sqlite:
                    connection.exec_driver_sql("COMMIT")
                connection.commit()
                fault(f"{point}:after")
            except BaseException:
                connection.rollback()
                if self.is_sqlite:
                    _end(connection, "ROLLBACK")
                raise
        return tx


def _end(connection: Connection, statement: str) -> None:
    raw = connection.connection.dbapi_connection
    if raw is not None and raw.in_transaction:
        raw.execute(statement)
