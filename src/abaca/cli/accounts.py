"""What the commands on users and projects share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from abaca.cli.options import Files

if TYPE_CHECKING:
    from abaca.identity.accounts import Accounts


@contextmanager
def accounts(files: Files) -> Iterator[Accounts]:
    """Users and projects of the configured database."""
    from abaca.identity.accounts import Accounts  # noqa: PLC0415 - `abaca --help` must be quick
    from abaca.identity.passwords import Hasher  # noqa: PLC0415 - same

    with files.database() as database:
        yield Accounts(database, Hasher())


def new_password(from_stdin: bool) -> tuple[str, bool]:
    """The first line of stdin; or typed twice on a terminal; else a random one (and True)."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n"), False
    if sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return typed, False
    import secrets  # noqa: PLC0415 - only where needed

    return secrets.token_urlsafe(18), True
