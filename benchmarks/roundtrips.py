"""The database's part of making a share: every statement recorded, and run again alone.

What the recorded transactions take on one connection, one after the other, with nothing
between them, is the least that making a share can take with these statements.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from falcon.testing import TestClient
from sqlalchemy import Connection, event

from abaca.db.database import Database
from abaca.service.api import make_api
from abaca.service.managers import make_manager
from benchmarks.client import VERSION
from benchmarks.service import Deployment

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """As the driver of the database got it."""

    text: str
    values: Any
    many: bool


@dataclass(slots=True)
class Transaction:
    """Statements, and how it ended."""

    statements: list[Statement] = field(default_factory=list)
    commits: bool = False


@dataclass(slots=True)
class Recorder:
    """What every connection of an engine does, transaction by transaction, as they end."""

    done: list[Transaction] = field(default_factory=list)
    _open: dict[int, Transaction] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, db: Database) -> None:
        """Record from now on."""
        event.listen(db.engine, "after_cursor_execute", self._executed)
        event.listen(db.engine, "commit", self._committed)
        event.listen(db.engine, "rollback", self._rolled_back)

    def take(self) -> list[Transaction]:
        """What ended since the last call."""
        with self._lock:
            found, self.done = self.done, []
            return found

    def _executed(
        self, conn: Connection, _cursor: object, text: str, values: object, _context: object,
        executemany: bool,
    ) -> None:  # fmt: skip
        with self._lock:
            found = self._open.setdefault(id(conn), Transaction())
            found.statements.append(Statement(text=text, values=values, many=executemany))

    def _committed(self, conn: Connection) -> None:
        self._end(conn, commits=True)

    def _rolled_back(self, conn: Connection) -> None:
        self._end(conn, commits=False)

    def _end(self, conn: Connection, *, commits: bool) -> None:
        with self._lock:
            found = self._open.pop(id(conn), None)
            if found is not None:
                found.commits = commits
                self.done.append(found)


@contextmanager
def in_process(deployment: Deployment, db: Database) -> Iterator[Callable[[str], str]]:
    """API and managers in this process; gives a function that makes a share, with its ID."""
    app = make_api(deployment.config, db, lambda _: None)
    manager = make_manager(deployment.config, db)
    manager.start()
    client = TestClient(app, headers={"X-OpenStack-Manila-API-Version": VERSION})

    def make(backend: str) -> str:
        answer = client.simulate_post("/v2/shares", json=deployment.body(backend))
        share: str = answer.json["share"]["id"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status = client.simulate_get(f"/v2/shares/{share}").json["share"]["status"]
            if status == "available":
                return share
            if status == "error" or time.monotonic() > deadline:
                raise RuntimeError(f"share {share} is {status}")
            time.sleep(0.02)

    try:
        yield make
    finally:
        manager.stop()


def record(deployment: Deployment, backend: str) -> tuple[list[Transaction], set[str]]:
    """The transactions from POST to available, and the IDs in them that are new with a share.

    Those of looking whether it is available are not in it.
    """
    db = deployment.database()
    recorder = Recorder()
    try:
        with in_process(deployment, db) as make:
            make(backend)
            recorder.listen(db)
            recorder.take()
            seen: list[list[Transaction]] = []
            for _ in range(2):
                make(backend)
                # The last look at the queue comes after the share is available.
                time.sleep(0.02)
                seen.append(recorder.take())
    finally:
        db.close()
    fresh = _ids(seen[1]) - _ids(seen[0])
    return [item for item in seen[1] if not _is_a_look(item)], fresh


def _is_a_look(transaction: Transaction) -> bool:
    """The GET that this benchmark waits with: shares read by ID, and nothing written."""
    texts = [item.text for item in transaction.statements]
    writes = any(text.startswith(("INSERT", "UPDATE")) for text in texts)
    return not writes and any("FROM share_types" in text for text in texts)


def _ids(transactions: list[Transaction]) -> set[str]:
    return {
        found
        for item in transactions
        for statement in item.statements
        for text in _texts(statement.values)
        for found in _ID.findall(text)
    }


def _texts(values: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the driver takes
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from _texts(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _texts(value)


def replayed(
    db: Database, transactions: list[Transaction], fresh: set[str], times: int
) -> list[float]:
    """Seconds that all of it takes, so many times, each with IDs of its own."""
    taken = []
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        for _ in range(times):
            ids = {old: str(uuid.uuid4()) for old in fresh}
            prepared = [
                ([(s.text, _changed(s.values, ids), s.many) for s in item.statements], item.commits)
                for item in transactions
            ]
            begun = time.perf_counter()
            for statements, commits in prepared:
                if db.is_sqlite:  # where Abaca begins by hand
                    cursor.execute("BEGIN IMMEDIATE" if commits else "BEGIN")
                for text, values, many in statements:
                    (cursor.executemany if many else cursor.execute)(text, values or ())
                    if cursor.description:
                        cursor.fetchall()
                connection.commit() if commits else connection.rollback()
            taken.append(time.perf_counter() - begun)
    finally:
        connection.close()
    return taken


def _changed(values: Any, ids: dict[str, str]) -> Any:  # noqa: ANN401 - same
    if isinstance(values, str):
        return _ID.sub(lambda found: ids.get(found[0], found[0]), values)
    if isinstance(values, dict):
        return {name: _changed(value, ids) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(_changed(value, ids) for value in values)
    return values
