"""`abaca bootstrap`: the first administrator."""

from __future__ import annotations

import sys

import click

from abaca.cli.accounts import accounts
from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show_one


@click.command()
@config_files
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input, in place of a random one.",
)
@output_format
def bootstrap(files: Files, password_stdin: bool, output: str) -> None:
    """Make user admin in project admin, and print the password: it is kept nowhere.

    `abaca serve` does the same at its first start, if there is no user yet.
    """
    password = None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    with accounts(files) as who:
        made = who.bootstrap(password)
    row = {"user": made.user.name, "project": made.project.name}
    if password is None:
        row["password"] = made.password
    show_one(row, output)
