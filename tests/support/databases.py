"""A database for each test, on each kind of server: emptied ones are used again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sqlalchemy import exists, literal_column, select, union_all

from abaca.db import migrate
from abaca.db.database import Database
from abaca.db.tables import metadata, schema_revisions
from abaca.testing.databases import SERVERS, DatabaseServer, serving
from support.configuration import Options

VARIABLE = "ABACA_TEST_DATABASES"
"""Which kinds the tests that are marked ``every_database`` run on, separated by commas."""
MAIN = "ABACA_TEST_DATABASE"
"""Where every other test that uses a database has it: SQLite if it is not set."""
KINDS = ("sqlite", *SERVERS)
TABLES = [table for table in metadata.sorted_tables if table is not schema_revisions]
"""Those with rows of tests."""
_FULL = union_all(
    *(
        select(literal_column(f"'{table.name}'")).where(exists(select(1).select_from(table)))
        for table in TABLES
    )
)
"""Which tables have rows: asked at once."""


def empty(db: Database) -> None:
    """No table has a row."""
    with db.write() as tx:
        full = set(tx.execute(_FULL).scalars())
        for table in reversed(TABLES):
            if table.name in full:
                tx.execute(table.delete())


class Kept:
    """The rows that a database has now, to be had again."""

    def __init__(self, db: Database) -> None:
        self._db = db
        with db.read() as tx:
            found = {table: tx.execute(select(table)).mappings().all() for table in TABLES}
        self._rows = {table: list(map(dict, rows)) for table, rows in found.items() if rows}

    def restore(self) -> None:
        """It has these rows, and no others."""
        empty(self._db)
        with self._db.write() as tx:
            for table, rows in self._rows.items():
                tx.execute(table.insert(), rows)


def wanted() -> list[str]:
    """The kinds to test on: all, or those that the environment names."""
    found = [item.strip() for item in os.environ.get(VARIABLE, ",".join(KINDS)).split(",")]
    if unknown := sorted(set(found) - set(KINDS)):
        raise ValueError(f"{VARIABLE}: {', '.join(unknown)}: write any of {', '.join(KINDS)}")
    return found


def main() -> str:
    """The kind on which tests run that are not marked."""
    found = os.environ.get(MAIN, "sqlite")
    if found not in KINDS:
        raise ValueError(f"{MAIN}: {found}: write one of {', '.join(KINDS)}")
    return found


class Databases:
    """The servers of this test process, each started when it is first asked for."""

    def __init__(self) -> None:
        self._servers: dict[str, DatabaseServer] = {}
        self._unused: dict[str, list[str]] = {kind: [] for kind in SERVERS}
        self._stack = ExitStack()

    def server(self, kind: str) -> DatabaseServer:
        """The server of that kind."""
        if kind not in self._servers:
            self._servers[kind] = self._stack.enter_context(serving(kind))
        return self._servers[kind]

    def take(self, kind: str) -> str:
        """The URL of a database with all tables and no rows; `give_back` it."""
        if self._unused[kind]:
            return self._unused[kind].pop()
        url = self.server(kind).create()
        db = Database(url)
        migrate.upgrade(db)
        db.close()
        return url

    def give_back(self, kind: str, url: str) -> None:
        """Empty it, for the next test: making the tables anew takes seconds on MariaDB."""
        db = Database(url)
        empty(db)
        db.close()
        self._unused[kind].append(url)

    @contextmanager
    def one(self, kind: str | None = None) -> Iterator[str]:
        """The URL of a database without rows while the context lasts; of the main kind, if none."""
        kind = kind or main()
        if kind == "sqlite":
            with tempfile.TemporaryDirectory(prefix="abaca-one-") as folder:
                yield f"sqlite:///{folder}/abaca.db"
            return
        url = self.take(kind)
        yield url
        self.give_back(kind, url)

    @contextmanager
    def stored(self) -> Iterator[Mapping[str, Options]]:
        """What a service's configuration says of a database of the main kind.

        Nothing of SQLite, which a service has in its ``state_path`` if nothing is said.
        """
        if main() == "sqlite":
            yield {}
            return
        with self.one() as url:
            yield {"database": {"connection": url}}

    def close(self) -> None:
        """Stop every server, and remove all that was in them."""
        self._stack.close()
