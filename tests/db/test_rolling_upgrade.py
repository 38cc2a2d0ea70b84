"""Old processes and a newer schema: which may run beside it, and which are refused."""

from __future__ import annotations

import ast
import shutil
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from abaca.cli.db import db as db_commands
from abaca.db import migrate
from abaca.db.database import Database
from abaca.db.migrate import Schema
from abaca.errors import ConfigError
from support.configuration import SINGLE, configuration
from support.serving import serving

NEWER = "9000"
MIGRATION = '''"""Made up by a test."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
expand_only = {expand_only}


def upgrade() -> None:
    op.add_column("shares", sa.Column("colour_{revision}", sa.String(length=16), nullable=True))
'''


def newer(folder: Path, *expand_only: bool) -> Schema:
    """The migrations of a later Abaca: ours, and these more."""
    target = folder / "later"
    shutil.copytree(migrate.FOLDER, target, ignore=shutil.ignore_patterns("__pycache__"))
    before = migrate.HEAD
    for number, expands in enumerate(expand_only):
        revision = str(int(NEWER) + number)
        file = target / "versions" / f"{revision}_made_up.py"
        file.write_text(
            MIGRATION.format(revision=revision, before=before, expand_only=bool(expands))
        )
        before = revision
    return Schema(head=before, folder=target)


@pytest.mark.every_database
def test_old_code_starts_beside_what_only_expanded(empty_url: str, tmp_path: Path) -> None:
    """Two expand-only revisions later, ours finds nothing to do and leaves the schema alone."""
    db = Database(empty_url)
    assert migrate.upgrade(db)
    later = newer(tmp_path, True, True)
    assert migrate.upgrade(db, later)
    assert not migrate.upgrade(db)
    assert not migrate.upgrade(db, later)
    assert migrate.version(db) == later.head
    assert migrate.state(db).suits(migrate.HEAD)
    db.close()


@pytest.mark.parametrize("steps", [(False,), (True, False), (False, True)])
def test_old_code_is_refused_after_a_contraction(
    empty_url: str, tmp_path: Path, steps: tuple[bool, ...]
) -> None:
    """Wherever among the newer revisions the one is that takes something away."""
    db = Database(empty_url)
    later = newer(tmp_path, *steps)
    assert migrate.upgrade(db, later)
    with pytest.raises(ConfigError, match=f"revision {later.head}"):
        migrate.upgrade(db)
    assert not migrate.upgrade(db, later)
    db.close()


def test_code_as_old_as_the_expansion_may_run(empty_url: str, tmp_path: Path) -> None:
    """A contraction shuts out what is older than itself, and nothing newer."""
    db = Database(empty_url)
    later = newer(tmp_path, False, True, True)
    migrate.upgrade(db, later)
    found = migrate.state(db)
    assert found.compatible_from == NEWER
    allowed = [found.suits(head) for head in (migrate.HEAD, "9000", "9001", "9002", "9003")]
    assert allowed == [False, True, True, True, False]
    db.close()


def test_a_crash_before_the_note_is_mended(empty_url: str, tmp_path: Path) -> None:
    """A revision without its note (MariaDB commits in between) refuses old code, until noted."""
    db = Database(empty_url)
    later = newer(tmp_path, True)
    migrate.upgrade(db, later)
    with db.write() as tx:
        tx.execute(text("DELETE FROM schema_revisions"))
    with pytest.raises(ConfigError):
        migrate.upgrade(db)
    assert migrate.upgrade(db, later)
    assert not migrate.upgrade(db)
    db.close()


def test_an_old_service_restarts_beside_a_newer_schema(empty_url: str, tmp_path: Path) -> None:
    """A real process serves on it, and says that it is newer."""
    stored = {"connection": empty_url}
    default = {"auth_strategy": "none"}
    file = configuration(tmp_path, {"one": SINGLE}, DEFAULT=default, database=stored)
    db = Database(empty_url)
    migrate.upgrade(db, newer(tmp_path, True))
    log = tmp_path / "log"
    with (
        serving(file, log) as (url, _),
        urllib.request.urlopen(f"{url}/v2/shares", timeout=60) as answer,  # noqa: S310 - our own
    ):
        assert answer.read() == b'{"shares":[]}'
    assert "database_is_newer" in log.read_text()
    db.close()


def test_the_command_says_whether_an_upgrade_is_rolling(empty_url: str, tmp_path: Path) -> None:
    """Before anything is done: what a database at an older revision must be told."""
    file = configuration(tmp_path, {}, database={"connection": empty_url})
    db = Database(empty_url)
    migrate.upgrade(db)
    before = migrate.compatible_from()
    told = []
    for revision in ("0000", before, migrate.HEAD):
        with db.write() as tx:
            tx.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": revision})
        done = CliRunner().invoke(db_commands, ["version", "--config-file", str(file)])
        assert done.exit_code == 0
        told.append([word for word in ("is rolling", "not rolling") if word in done.output])
    db.close()
    assert told == [["not rolling"], ["is rolling"], []]


def calls_of(file: Path) -> list[ast.Call]:
    """What a migration calls."""
    return [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]


def takes_away(call: ast.Call) -> bool:
    """True for what old code may stumble over."""
    name = ast.unparse(call.func).rpartition(".")[2]
    if name.startswith(("drop_", "rename_")) or name in {"alter_column", "execute", "batch_op"}:
        return True
    if name != "add_column":
        return False
    column = ast.unparse(call)
    return "nullable=True" not in column and "server_default" not in column


def expanding() -> list[Path]:
    """The migrations that say so of themselves."""
    files = sorted((migrate.FOLDER / "versions").glob("*.py"))
    return [file for file in files if "expand_only = True" in file.read_text()]


@pytest.mark.parametrize("file", expanding(), ids=lambda file: file.stem)
def test_what_says_it_only_expands_does(file: Path) -> None:
    """Nothing is dropped, renamed or altered, and no new column asks for a value."""
    assert [ast.unparse(call) for call in calls_of(file) if takes_away(call)] == []
