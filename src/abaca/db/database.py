"""One database: transactions that either read or write, on SQLite, PostgreSQL or MariaDB.

What a connection is set up with is in `abaca.db.engine`. SQLite runs in WAL
mode with ``synchronous = FULL`` (what was accepted is durable). Its writers
start with BEGIN IMMEDIATE, since a deferred transaction that reads and then
writes fails at once when another wrote; inside a process they take turns
(`abaca.db.writers`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, bindparam, delete, insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from abaca.db.engine import GALERA, kind_of, make_engine, mark_ended, reading, translated
from abaca.db.kept import Kept
from abaca.db.rows import load, loader
from abaca.db.tables import holds, metadata
from abaca.db.writers import Writers
from abaca.errors import CommitUnknown
from abaca.steps import commit, fault, running

T = TypeVar("T")
REQUEST = commit("request")
"""A commit neither in a step nor named: those of the API, and of commands."""
_HOLD = insert(holds).values(name=bindparam("held"))
_LET_GO = delete(holds).where(holds.c.name == bindparam("held"))


@dataclass(slots=True)
class Tx:
    """One open transaction; everything inside commits or nothing does."""

    connection: Connection
    kept: Kept[Any] = field(default_factory=Kept)
    """What `abaca.db.shown_shares` has read; that of another than `Database.read` ends with it."""
    _after: list[Callable[[], None]] = field(default_factory=list)

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:  # noqa: ANN401
        """Run one statement (``values``: a mapping, or a list of them for many rows)."""
        return self.connection.execute(statement, values)

    def one(self, cls: type[T], statement: Executable, values: Any = None) -> T | None:  # noqa: ANN401
        """The only row as a dataclass whose fields the columns are named after, or None."""
        row = self.connection.execute(statement, values).one_or_none()
        return None if row is None else load(cls, row)

    def all(self, cls: type[T], statement: Executable, values: Any = None) -> list[T]:  # noqa: ANN401
        """Every row as a dataclass."""
        result = self.connection.execute(statement, values)
        make = loader(cls, tuple(result.keys()))
        return [make(row) for row in result]

    def scalar(self, statement: Executable, values: Any = None) -> Any:  # noqa: ANN401
        """First column of the first row, or None."""
        return self.connection.execute(statement, values).scalar()

    def add(self, statement: Executable) -> bool:
        """Insert a row; False, and nothing done, if another process made the same one first."""
        try:
            with self.connection.begin_nested():
                self.connection.execute(statement)
        except IntegrityError:
            return False
        return True

    def hold(self, what: str) -> None:
        """Of transactions that hold the same thing at the same time only one commits.

        What a locked row is elsewhere: Galera knows no locks of other nodes, and compares what
        transactions write.
        """
        if GALERA in self.connection.info:
            for statement in (_HOLD, _LET_GO):
                self.connection.execute(statement, {"held": what})

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call this once the transaction is durable (wake-ups); must not raise."""
        self._after.append(action)

    @property
    def dialect(self) -> str:
        """``sqlite``, ``postgresql`` or ``mysql`` (MariaDB too)."""
        return kind_of(self.connection.dialect.name)


class Database:
    """A connection pool and the two kinds of transaction. Thread-safe.

    ``url`` is a SQLAlchemy URL (``sqlite:////var/lib/abaca/abaca.db``).
    """

    def __init__(self, url: str, *, pool_size: int = 32) -> None:
        self.engine = make_engine(url, pool_size)
        self.kind = kind_of(self.engine.dialect.name)
        self.is_sqlite = self.kind == "sqlite"
        self._writers = Writers(self.engine)
        self._kept: Kept[Any] = Kept()

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

    def read(self) -> AbstractContextManager[Tx]:
        """A transaction that sees one state and writes nothing."""
        return self._reading(self._kept, steady=True)

    def glance(self) -> AbstractContextManager[Tx]:
        """As `read`, but each statement sees what is committed as it begins.

        Enough for one statement, or for several of which none relies on what another saw; it
        saves the answers to a begin and an end.
        """
        return self._reading(Kept(), steady=False)

    @contextmanager
    def _reading(self, kept: Kept[Any], *, steady: bool) -> Iterator[Tx]:
        with (
            translated(),
            self.engine.connect() as connection,
            reading(connection, self.kind, steady=steady),
        ):
            yield Tx(connection, kept)

    @contextmanager
    def write(self, name: str = REQUEST) -> Iterator[Tx]:
        """A transaction that commits at the end of the block, or rolls back on any exception.

        ``name``: what its commit is called as a fault point, outside of steps.
        """
        point = f"commit.{running() or name}"
        with translated():
            tx = yield from self._in_turn(point) if self.is_sqlite else self._write(point)
        for action in tx._after:  # noqa: SLF001 - same module
            action()

    def _in_turn(self, point: str) -> Generator[Tx, None, Tx]:
        with self._writers.turn() as connection:
            tx = Tx(connection)
            yield tx
            fault(f"{point}:before")
        fault(f"{point}:after")
        return tx

    def _write(self, point: str) -> Generator[Tx, None, Tx]:
        with self.engine.connect() as connection:
            tx = Tx(connection)
            try:
                yield tx
                fault(f"{point}:before")
                _commit(connection)
                mark_ended(connection)
                fault(f"{point}:after")
            except BaseException:
                connection.rollback()
                raise
        return tx


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CommitUnknown(f"database: {error}") from error
        raise
