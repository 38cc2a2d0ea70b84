"""A database that has not what the code needs: it is said so, with what to do, and work waits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Executable, column, insert, select, table, text, update

from abaca.cli.main import main
from abaca.db import migrate
from abaca.db.database import Database
from abaca.db.migrate import Schema
from abaca.db.tables import messages
from abaca.errors import ConfigError, DatabaseFault, WrongSchema
from abaca.work.lease import Lease
from support.task_queue import FAST, Queue, Script

NEWER = table("shares", column("id"), column("colour"))
"""As a version knows it that the database was not upgraded to."""
STATEMENTS: tuple[Executable, ...] = (
    select(NEWER.c.colour),
    insert(NEWER).values(id="s", colour="red"),
    update(NEWER).values(colour="red"),
    select(table("colours", column("id"))),
)


@pytest.mark.every_database
def test_what_lacks_is_named(database_url: str) -> None:
    """With the command that mends it, and as nothing that passes by itself."""
    db = Database(database_url)
    db.create_schema()
    for statement in STATEMENTS:
        told = pytest.raises(WrongSchema, match=r"colour.*: run `abaca db upgrade`")
        with told, db.write() as tx:
            tx.execute(statement)
    db.close()


@pytest.mark.every_database
def test_work_waits_for_the_upgrade(database_url: str) -> None:
    """However often it was tried by then, nothing failed; done once the schema is right."""
    db = Database(database_url)
    db.create_schema()
    queue, tries = Queue(db), 2 * FAST.retry.unexpected

    def rename(before: str, after: str) -> None:
        with db.write() as tx:
            tx.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    def work(lease: Lease) -> None:
        if len(script.runs) == tries:
            rename("elsewhere", messages.name)
        with lease.db.read() as tx:
            tx.execute(select(messages.c.id)).all()

    script = Script(body=work)
    rename(messages.name, "elsewhere")
    queue.put("share1")
    queue.work(script)
    queue.until_empty()
    queue.stop()
    db.close()
    assert len(script.runs) == tries
    assert script.failures == []


def cut(name: str) -> Callable[[Path], None]:
    """A file of the installation that is not there."""
    return lambda folder: next(folder.glob(name)).unlink()


BROKEN: dict[str, Callable[[Path], object]] = {
    "first": cut("versions/0001*"),
    "middle": cut("versions/0003*"),
    "last": cut(f"versions/{migrate.HEAD}*"),
    "environment": cut("env.py"),
    "folder": shutil.rmtree,
    "half a file": lambda folder: next(folder.glob("versions/0003*")).write_text("def up("),
    "no revision": lambda folder: (folder / "versions" / "note.py").write_text("a = 1"),
}


@pytest.mark.filterwarnings("ignore:Revision .* is not present:UserWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_an_installation_that_is_not_whole(tmp_path: Path, empty_url: str, name: str) -> None:
    """Whatever Alembic says of it, it is one line about the installation; nothing was migrated."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    BROKEN[name](folder)
    db = Database(empty_url)
    with pytest.raises(ConfigError, match=r"can't be used .*: install") as caught:
        migrate.upgrade(db, replace(Schema(), folder=folder))
    (line,) = caught.value.faults
    assert "\n" not in line
    assert migrate.version(db) is None
    db.close()


def lying(db: Database, *revisions: str) -> None:
    """An empty database that says it is at these."""
    with db.write() as tx:
        tx.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        for revision in revisions:
            tx.execute(text("INSERT INTO alembic_version VALUES (:it)"), {"it": revision})


@pytest.mark.every_database
def test_a_database_that_is_not_what_it_says(empty_url: str) -> None:
    """The migration does not say that one should migrate."""
    db = Database(empty_url)
    lying(db, "0002")
    with pytest.raises(DatabaseFault, match=r"is not what .* says .*restore") as caught:
        migrate.upgrade(db)
    assert type(caught.value) is DatabaseFault
    db.close()


@pytest.mark.parametrize(
    ("revisions", "said"), [(("0001", "0002"), "overlaps"), (("0002",), "is not what")]
)
def test_the_command_says_it_in_a_line(
    tmp_path: Path, empty_url: str, revisions: tuple[str, ...], said: str
) -> None:
    """On stderr, without a traceback."""
    file = tmp_path / "abaca.conf"
    database = f"[database]\nconnection = {empty_url}\n"
    file.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n{database}")
    db = Database(empty_url)
    lying(db, *revisions)
    db.close()
    done = CliRunner().invoke(main, ["db", "upgrade", "--config-file", str(file)])
    assert done.exit_code in {1, 2}
    assert isinstance(done.exception, SystemExit)
    (line,) = [line for line in done.output.splitlines() if line.startswith("abaca: ")]
    assert said in line
    shown = CliRunner().invoke(main, ["db", "version", "--config-file", str(file)])
    assert shown.exit_code == 0
    assert f"this version needs {migrate.HEAD}" in shown.output
