"""Brings the database's schema to what this code needs.

Old processes may run on, and restart, beside a schema that a newer one made, as
long as everything since was expand-only: each migration says so of itself, and
`schema_revisions` keeps the oldest revision whose code may still run.

Alembic is half of a start's time and memory, so it is imported only when there
is something to do: `HEAD` is what it would find in ``migrations/versions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import insert, inspect, select
from sqlalchemy import text as sql

from abaca.db.database import Database, Tx
from abaca.db.migration_guard import alone
from abaca.db.tables import schema_revisions
from abaca.errors import ConfigError, DatabaseFault, WrongSchema

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

log = structlog.get_logger()

HEAD = "0007"
"""The newest revision; a test compares it with the files."""

FOLDER = Path(__file__).parent / "migrations"
LOCK_SECONDS = 300
_TABLE = "alembic_version"
_LOCK = 0x6162616361


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The migrations that some code has."""

    head: str = HEAD
    folder: Path = FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a database says of its schema."""

    revision: str | None
    """None if it is empty."""
    compatible_from: str | None
    """The oldest revision whose code may run beside it; None if nobody wrote it down."""

    def suits(self, head: str) -> bool:
        """True if code at this revision may run: revisions are numbers of one width."""
        if self.revision is None or self.compatible_from is None:
            return self.revision == head
        return self.compatible_from <= head <= self.revision


OURS = Schema()


def version(db: Database) -> str | None:
    """The database's revision; None if it is empty."""
    return state(db).revision


def state(db: Database) -> State:
    """The database's revision, and whose code it is good for. Two small reads."""
    with db.read() as tx:
        return state_in(tx)


def upgrade(db: Database, schema: Schema = OURS) -> bool:
    """Migrate to the schema's head; True if there was something to do.

    Processes that start at the same time wait for the first. One that is
    killed leaves nothing half done, or, on MariaDB, what the next one goes on
    with. A database that newer code made is left as it is, if it is still good
    for this code; ConfigError if not.
    """
    if _good(state(db), schema):
        return False
    # Elsewhere the transaction keeps others out.
    with (
        alone(db) if db.kind == "mysql" else nullcontext(),
        _as_it_says(),
        db.write() as tx,
    ):
        if tx.dialect == "postgresql":
            tx.execute(sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            tx.execute(sql(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        before = state_in(tx)
        if _good(before, schema):
            return False
        _run(tx, before.revision, schema)
    log.info("database_migrated", before=before.revision, now=schema.head)
    return True


@contextmanager
def _as_it_says() -> Iterator[None]:
    """A database that is not at the revision that it says it is at can't be migrated."""
    try:
        yield
    except WrongSchema as error:
        raise DatabaseFault(
            f"the database is not what its table {_TABLE} says it is ({error.lacks}): nothing was "
            "migrated; restore it from a backup"
        ) from error


def _good(found: State, schema: Schema) -> bool:
    """True if there is nothing to do."""
    if found.compatible_from is None or not found.suits(schema.head):
        return False
    if found.revision != schema.head:
        log.info("database_is_newer", database=found.revision, code=schema.head)
    return True


def state_in(tx: Tx) -> State:
    """`state`, inside a transaction."""
    found = inspect(tx.connection)
    if not found.has_table(_TABLE):
        return State(revision=None, compatible_from=None)
    revision = tx.scalar(sql(f"SELECT version_num FROM {_TABLE}"))  # noqa: S608 - a constant
    if revision is None or not found.has_table(schema_revisions.name):
        return State(revision=revision, compatible_from=None)
    column = schema_revisions.c
    oldest = tx.scalar(select(column.compatible_from).where(column.revision == revision))
    return State(revision=str(revision), compatible_from=oldest)


def compatible_from(schema: Schema = OURS) -> str:
    """The oldest revision whose code may run beside the schema, once a database is at its head."""
    with _explained(schema):
        return _compatible_from(_scripts(_config(schema)), schema.head)


@contextmanager
def _explained(schema: Schema) -> Iterator[None]:
    """What Alembic raises, and scripts that can't be read, become ConfigError."""
    from alembic.script.revision import RevisionError  # noqa: PLC0415 - see above
    from alembic.util import CommandError  # noqa: PLC0415 - see above

    # A script that is missing in the middle is a KeyError of Alembic's.
    found = (CommandError, RevisionError, KeyError, ImportError, SyntaxError)
    try:
        yield
    except found as error:
        text = f"the migrations in {schema.folder} can't be used ({_line(error)})"
        todo = "install this version of Abaca anew, or restore the database from a backup"
        raise ConfigError([f"{text}: {todo}"]) from error


def _line(error: Exception) -> str:
    """What it says; a KeyError says only the key."""
    text = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split()).rstrip(".")


def _config(schema: Schema) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(schema.folder))
    return config


def _scripts(config: Config) -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    return ScriptDirectory.from_config(config)


def _run(tx: Tx, before: str | None, schema: Schema) -> None:
    from alembic import command  # noqa: PLC0415 - see above

    config = _config(schema)
    config.attributes["connection"] = tx.connection
    with _explained(schema):
        scripts = _scripts(config)
        known = {item.revision for item in scripts.walk_revisions()}
        scripts.get_revision(schema.head)
    if before is not None and before not in known:
        text = f"the database is at revision {before}, which this Abaca does not know"
        raise ConfigError([f"{text}: install the version that made it, or a newer one"])
    with _explained(schema):
        command.upgrade(config, schema.head)
    # On MariaDB a crash may come in between. Then the revision has no row, and old code is
    # refused, until the next start comes by here.
    tx.add(
        insert(schema_revisions).values(
            revision=schema.head, compatible_from=_compatible_from(scripts, schema.head)
        )
    )


def _compatible_from(scripts: ScriptDirectory, head: str) -> str:
    """The oldest revision after which every migration up to head is expand-only."""
    oldest = scripts.get_revision(head)
    while getattr(oldest.module, "expand_only", False) and isinstance(oldest.down_revision, str):
        oldest = scripts.get_revision(oldest.down_revision)
    return str(oldest.revision)
