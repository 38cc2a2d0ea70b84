"""`abaca db`: the database's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abaca.cli.options import Files, config_files

if TYPE_CHECKING:
    from abaca.db.database import Database


@click.group()
def db() -> None:
    """Upgrade the database, or say its version. Services do the former by themselves."""


def _open(files: Files) -> Database:
    """The database as it is, not migrated."""
    from abaca.db.database import Database  # noqa: PLC0415 - `abaca --help` must be quick
    from abaca.service.state import make_state_path  # noqa: PLC0415

    service = files.load().service
    make_state_path(service)
    return Database(service.database_url)


@db.command()
@config_files
def upgrade(files: Files) -> None:
    """Bring the database's schema to what this version needs."""
    from abaca.db import migrate  # noqa: PLC0415

    database = _open(files)
    try:
        done = migrate.upgrade(database)
    finally:
        database.close()
    click.echo(f"{'upgraded to' if done else 'already at'} {migrate.HEAD}")


@db.command()
@config_files
def version(files: Files) -> None:
    """Say at which revision the database is, and what an upgrade means for those who use it."""
    from abaca.db import migrate  # noqa: PLC0415

    database = _open(files)
    try:
        found = migrate.state(database)
    finally:
        database.close()
    click.echo(f"database {found.revision or 'empty'}, this version needs {migrate.HEAD}")
    if found.revision is None:
        return
    if found.compatible_from is not None:
        click.echo(f"processes of versions that need {found.compatible_from} or later can use it")
    if found.revision < migrate.HEAD:
        rolling = migrate.compatible_from() <= found.revision
        click.echo(
            "an upgrade is rolling: those that run now can run on, and be started again"
            if rolling
            else "an upgrade is not rolling: stop every process of Abaca before it"
        )
