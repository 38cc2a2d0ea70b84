"""Every exception of SQLAlchemy and of the databases' drivers has a meaning, given on purpose."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import psycopg
import psycopg.errors
import pymysql
import pytest
import sqlalchemy
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import String, column, insert, table, text
from sqlalchemy.exc import DBAPIError, StatementError

from abaca.db.database import Database
from abaca.db.engine import translated
from abaca.errors import (
    AbacaError,
    DatabaseFault,
    DatabaseUnavailable,
    RowRefused,
    StorageFull,
    WrongSchema,
)
from abaca.testing.libraries import exceptions_of, instance

PASSES_BY_ITSELF = """
DisconnectionError InternalError InvalidatePoolError OperationalError TimeoutError
"""
FOR_A_PERSON = """
AmbiguousColumnError AmbiguousForeignKeysError ArgumentError AwaitRequired CircularDependencyError
CompileError ConstraintColumnNotFoundError DBAPIError DataError DatabaseError DuplicateColumnError
IdentifierError IllegalStateChangeError InterfaceError InvalidRequestError MissingGreenlet
MultipleResultsFound NoDBAPILoaded NoForeignKeysError NoInspectionAvailable NoReferenceError
NoReferencedColumnError NoReferencedTableError NoResultFound NoSuchColumnError NoSuchModuleError
NoSuchTableError NotSupportedError ObjectNotExecutableError PendingRollbackError ProgrammingError
ResourceClosedError SQLAlchemyError StatementError UnboundExecutionError UnreflectableTableError
UnsupportedCompilationError
"""
BY_A_CONSTRAINT = "IntegrityError"
PARTS_NOT_USED = {
    "sqlalchemy.orm": "rows are loaded into dataclasses of Abaca's own",
    "sqlalchemy.util": "of its queues; the pool raises TimeoutError instead",
    "sqlalchemy.engine": "shapes of a driver's classes, for annotations",
    "sqlalchemy.exc.EmulatedDBAPIException": "of asynchronous drivers",
    "sqlalchemy.testing": "its own tests",
    "sqlalchemy.connectors": "of asynchronous drivers",
    "sqlalchemy.dialects": "same",
    "sqlalchemy.ext": "extensions of its ORM",
    "psycopg.Rollback": "ends a block of psycopg's, which are not used",
    "psycopg.transaction": "same",
    "psycopg.Warning": "PEP 249 wants it; nothing raises it",
    "sqlite3.Warning": "same; to pass on two statements at once is a ProgrammingError by now",
    "pymysql.err.MySQLError": "stands above the others",
}
"""By the start of the name: why nothing raises it here."""
READ_ONLY = psycopg.errors.ReadOnlySqlTransaction
EXCLUDED = {psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure}
"""Of transactions that excluded each other, the one that the server chose."""
LACKING = {psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn}
"""Of a schema that is not the one of the code."""
DRIVERS = {
    "sqlite3": sqlite3.Error,
    "psycopg": psycopg.Error,
    "pymysql": pymysql.err.Error,
}


def used(found: Sequence[type[Exception]]) -> list[type[Exception]]:
    """Without the parts that are not used."""
    return [
        cls
        for cls in found
        if not f"{cls.__module__}.{cls.__qualname__}".startswith(tuple(PARTS_NOT_USED))
    ]


def of_sqlalchemy() -> list[type[Exception]]:
    """All of them: those of its one module, and what its other packages define."""
    for item in pkgutil.iter_modules(sqlalchemy.__path__):
        if item.name != "testing":
            importlib.import_module(f"sqlalchemy.{item.name}")
    return used(exceptions_of("sqlalchemy"))


def of_drivers() -> list[type[Exception]]:
    """All of those that databases are used with."""
    return used(exceptions_of(*DRIVERS))


def made(cls: type[Exception]) -> Exception:
    """One of them, whole: they tell about their statement."""
    if issubclass(cls, DBAPIError):
        return cls("SELECT 1", {}, Exception("injected"))
    if issubclass(cls, StatementError):
        return cls("injected", "SELECT 1", {}, None)
    return instance(cls)


def outcome(error: Exception) -> type[Exception]:
    """As what it leaves a transaction."""
    with pytest.raises(AbacaError) as caught, translated():
        raise error
    assert caught.value.__cause__ is error
    return type(caught.value)


def wrapped(error: Exception) -> Exception:
    """As SQLAlchemy raises it."""
    base = DRIVERS[type(error).__module__.partition(".")[0]]
    return DBAPIError.instance("SELECT 1", {}, error, base)


def test_every_class_of_sqlalchemy_is_placed() -> None:
    """Each is in one of the lists above, and means it.

    A class that a new release brings is in none: whoever updates decides.
    """
    expected: dict[str, type[Exception]] = {
        **dict.fromkeys(PASSES_BY_ITSELF.split(), DatabaseUnavailable),
        **dict.fromkeys(FOR_A_PERSON.split(), DatabaseFault),
        BY_A_CONSTRAINT: RowRefused,
    }
    assert {cls.__name__: outcome(made(cls)) for cls in of_sqlalchemy()} == expected


MEANS = {
    "DataError": DatabaseFault,
    "DatabaseError": DatabaseFault,
    "Error": DatabaseFault,
    "IntegrityError": RowRefused,
    "InterfaceError": DatabaseFault,
    "InternalError": DatabaseUnavailable,
    "NotSupportedError": DatabaseFault,
    "OperationalError": DatabaseUnavailable,
    "ProgrammingError": DatabaseFault,
}
"""By the class that PEP 249 names."""


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_class_of_a_driver_is_placed(driver: str) -> None:
    """Wrapped as SQLAlchemy does it each means what its nearest standard class does."""
    found = [cls for cls in of_drivers() if cls.__module__.partition(".")[0] == driver]
    assert {cls.__name__ for cls in found} >= set(MEANS)
    assert [cls for cls in found if not issubclass(cls, DRIVERS[driver])] == []
    for cls in set(found) - {READ_ONLY, *EXCLUDED, *LACKING}:
        standard = next(base.__name__ for base in cls.__mro__ if base.__name__ in MEANS)
        assert outcome(wrapped(instance(cls))) is MEANS[standard], cls


def test_the_drivers_are_those_of_the_databases(tmp_path: Path) -> None:
    """No driver is in use that the lists don't know."""
    nobody = "127.0.0.1:1/none"
    urls = [f"sqlite:///{tmp_path}/none", f"postgresql://{nobody}", f"mysql://{nobody}"]
    databases = [Database(url) for url in urls]
    errors = [made.engine.dialect.loaded_dbapi.Error for made in databases]
    for made in databases:
        made.close()
    assert errors == list(DRIVERS.values())


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_lost_connection_may_come_back(driver: str) -> None:
    """Whatever the driver calls it, SQLAlchemy says that the connection is gone."""
    error = DRIVERS[driver]("gone")
    lost = DBAPIError("SELECT 1", {}, error, connection_invalidated=True)
    assert outcome(wrapped(error)) is DatabaseFault
    assert outcome(lost) is DatabaseUnavailable


def test_who_was_in_the_way_of_others_may_try_again() -> None:
    """Whatever the server calls it: nothing of the transaction was done."""
    deadlock = pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")
    for error in (deadlock, *(cls("chosen") for cls in EXCLUDED)):
        assert issubclass(outcome(wrapped(error)), DatabaseUnavailable)


def test_a_schema_may_be_upgraded() -> None:
    """What lacks is named, with what to do; a table that is only locked is waited for."""
    lacking = [
        *(cls("relation shares") for cls in LACKING),
        pymysql.err.ProgrammingError(1146, "Table 'abaca.shares' doesn't exist"),
        pymysql.err.OperationalError(1054, "Unknown column 'shares.colour' in 'field list'"),
        sqlite3.OperationalError("no such table: shares"),
        sqlite3.OperationalError("no such column: shares.colour"),
        sqlite3.OperationalError("table shares has no column named colour"),
    ]
    for error in lacking:
        assert outcome(wrapped(error)) is WrongSchema
        with pytest.raises(WrongSchema, match=r"shares.*: run `abaca db upgrade`"), translated():
            raise wrapped(error)
    for other in (
        sqlite3.OperationalError("database table is locked: shares"),
        pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"),
    ):
        assert outcome(wrapped(other)) is DatabaseUnavailable


def of_alembic() -> list[type[Exception]]:
    """All that it defines, but for its tests."""
    for name in ("command", "config", "script", "runtime.environment", "ddl", "operations"):
        importlib.import_module(f"alembic.{name}")
    return exceptions_of("alembic")


def test_every_class_of_alembic_is_placed() -> None:
    """Each becomes a ConfigError where scripts are read, by one of the two that stand above all."""
    found = of_alembic()
    assert found
    roots = CommandError, RevisionError
    assert [cls for cls in found if not issubclass(cls, roots)] == []


def test_a_standby_may_become_the_server() -> None:
    """One that takes no writes is waited for."""
    assert outcome(wrapped(READ_ONLY("read only"))) is DatabaseUnavailable


def test_what_goes_past_sqlalchemy() -> None:
    """SQLite is told to roll back without it: what it says then has a meaning too."""
    assert outcome(sqlite3.OperationalError("disk I/O error")) is DatabaseUnavailable
    assert outcome(sqlite3.DatabaseError("database disk image is malformed")) is DatabaseFault


def test_ours_pass() -> None:
    """What the code inside a transaction raises is left alone."""
    for error in (StorageFull("mine"), KeyError("mine")):
        with pytest.raises(type(error), match="mine") as caught, translated():
            raise error
        assert caught.value is error


@pytest.mark.every_database
def test_errors_do_not_tell_values(database_url: str) -> None:
    """A statement that fails is logged: without the passwords that it was to write."""
    db = Database(database_url)
    nowhere = table("nowhere", column("password", String))
    with pytest.raises(AbacaError, match="nowhere") as caught, db.write() as tx:
        tx.execute(insert(nowhere).values(password="hush"))
    assert "hush" not in str(caught.value)
    with pytest.raises(AbacaError), db.read() as tx:
        tx.execute(text("SELEKT 1"))
    db.close()
