"""SQLite's writers: one at a time, first come, first served; those that wait share a commit.

Each commit waits for the disk. A writer that is done while others wait leaves the
transaction open for them, each of whom is undone alone if it fails, and returns once the
last of the group has committed: as durable as by itself, for a part of the time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from abaca.errors import DatabaseUnavailable

MOST = 8
"""Writers that share a commit: the first waits for the others, and so do other processes."""


class Writers:
    """Gives out turns. SQLite's own way of waiting starves some."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False
        self._group: _Group | None = None
        """Of whoever's turn it is."""

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """A transaction; what was done in the block is durable once this returns."""
        self._await_turn()
        group = self._group
        try:
            group = self._group = group or _Group(self._engine.connect())
            with group.part():
                yield group.connection
        finally:
            try:
                if group is not None and not (group.is_open and self._waiting):
                    self._group = None
                    group.end()
            finally:
                self._pass_on()
        group.await_end()

    def _await_turn(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


class _Group:
    """One transaction, and the writers whose work is in it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.parts = 0
        self._raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        self._committed = False
        self._failure: Exception | None = None
        self._ended = threading.Event()
        try:
            connection.begin()
            self._raw.execute("BEGIN IMMEDIATE")
        except BaseException:
            connection.close()
            raise

    @property
    def is_open(self) -> bool:
        """True if another writer may join."""
        return 0 < self.parts < MOST and self._raw.in_transaction

    @contextmanager
    def part(self) -> Iterator[None]:
        """One writer's work: all of it, or nothing."""
        # Whoever is alone goes without a savepoint: `end` undoes it.
        behind = self.parts > 0
        if behind:
            self._raw.execute("SAVEPOINT part")
        try:
            yield
            if behind:
                self._raw.execute("RELEASE part")
        except BaseException:
            if behind:
                self._undo()
            raise
        self.parts += 1

    def _undo(self) -> None:
        try:
            self._raw.execute("ROLLBACK TO part")
            self._raw.execute("RELEASE part")
        except sqlite3.Error:
            # Of some faults SQLite undoes everything: then nothing is there to be committed.
            self._raw.rollback()

    def end(self) -> None:
        """Commit, if there is anything, and let everybody go."""
        try:
            if self.parts:
                self._raw.execute("COMMIT")
                self._committed = True
                self.connection.commit()
        except (sqlite3.Error, SQLAlchemyError) as error:
            self._failure = error
        finally:
            # Rolls back what was not committed.
            self.connection.close()
            self._ended.set()

    def await_end(self) -> None:
        """Return once it is durable; DatabaseUnavailable if it is not."""
        self._ended.wait()
        if not self._committed:
            raise DatabaseUnavailable(
                f"database: not committed: {self._failure}"
            ) from self._failure
