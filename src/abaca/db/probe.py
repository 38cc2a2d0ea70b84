"""Whether a database can be used at all: what `abaca config check` says of it."""

from __future__ import annotations

from contextlib import closing

from abaca.db.database import Database
from abaca.db.engine import with_driver
from abaca.errors import ConfigError, DatabaseUnavailable

OLDEST = {"postgresql": ("PostgreSQL", (12,)), "mysql": ("MariaDB", (10, 6))}
"""The first versions that have all that is relied on (MariaDB: SKIP LOCKED)."""


def faults(url: str) -> list[str]:
    """Why the database can't be used, one line each; it may be empty of tables.

    SQLite's file is made at the first start: nothing is asked of it here.
    """
    try:
        where = with_driver(url)
        if where.get_backend_name() == "sqlite":
            return []
        with closing(Database(url)) as db, db.read() as tx:
            kind, found = tx.dialect, tx.connection.dialect.server_version_info or ()
    except ConfigError as error:
        return error.faults
    except DatabaseUnavailable as error:
        reason = str((error.__cause__ and getattr(error.__cause__, "orig", None)) or error)
        shown = where.render_as_string(hide_password=True)
        return [f"[database] connection: {shown} does not answer: {_line(reason)}"]
    name, oldest = OLDEST[kind]
    if tuple(found)[: len(oldest)] < oldest:
        numbers = [".".join(map(str, version)) for version in (found, oldest)]
        return [f"[database] connection: {name} {numbers[0]} is too old; use {numbers[1]} or newer"]
    return []


def _line(text: str) -> str:
    return " ".join(text.split())
