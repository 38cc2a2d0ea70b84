"""`abaca user`: users of the builtin identity, and their roles."""

from __future__ import annotations

import click

from abaca.cli.accounts import accounts, new_password
from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show, show_one
from abaca.identity.roles import ROLES

_password = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input; otherwise it is asked for, or,"
    " without a terminal, made and printed.",
)


@click.group()
def user() -> None:
    """Users of the builtin identity, and their roles."""


@user.command()
@config_files
@click.argument("name")
@click.option("--project", help="Name or ID of a project in which the user gets a role.")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@_password
@output_format
def create(  # noqa: PLR0917 - click hands over one argument per option
    files: Files, name: str, project: str | None, role: str, password_stdin: bool, output: str
) -> None:
    """Make a user, with a role in a project if one is given."""
    password, made = new_password(password_stdin)
    with accounts(files) as who:
        if project is not None:
            who.project(project)
        created = who.create_user(name, password)
        if project is not None:
            who.grant(created.id, project, role)
    row = {"id": created.id, "name": created.name}
    if project is not None:
        row |= {"project": project, "role": role}
    if made:
        row["password"] = password
    show_one(row, output)


@user.command("list")
@config_files
@output_format
def list_users(files: Files, output: str) -> None:
    """List users with their roles (role in project)."""
    with accounts(files) as who:
        rows = [
            {"id": item.id, "name": item.name, "enabled": item.enabled, "roles": ", ".join(roles)}
            for item, roles in who.users()
        ]
    show(rows, ("id", "name", "enabled", "roles"), output)


@user.command("set-password")
@config_files
@click.argument("name")
@_password
def set_password(files: Files, name: str, password_stdin: bool) -> None:
    """Set a password; tokens from before are refused from now on."""
    password, made = new_password(password_stdin)
    with accounts(files) as who:
        who.set_password(name, password)
    click.echo(f"password: {password}" if made else f"user {name}: password set")


@user.command()
@config_files
@click.argument("name")
def disable(files: Files, name: str) -> None:
    """Lock a user out, tokens included."""
    with accounts(files) as who:
        who.set_enabled(name, enabled=False)
    click.echo(f"user {name}: disabled")


@user.command()
@config_files
@click.argument("name")
def enable(files: Files, name: str) -> None:
    """Let a disabled user in again."""
    with accounts(files) as who:
        who.set_enabled(name, enabled=True)
    click.echo(f"user {name}: enabled")


@user.command()
@config_files
@click.argument("name")
def delete(files: Files, name: str) -> None:
    """Remove a user; shares stay with their project."""
    with accounts(files) as who:
        who.delete_user(name)
    click.echo(f"user {name}: deleted")


@user.command("rotate-keys")
@config_files
def rotate_keys(files: Files) -> None:
    """Sign tokens with a new key from now on; the last two keys still open theirs.

    Copy the file to every host that runs an API of this deployment.
    """
    from abaca.identity.tokens import KEY_FILE, rotate  # noqa: PLC0415 - `--help` must be quick

    file = files.load().service.state_path / KEY_FILE
    rotate(file)
    click.echo(f"{file}: new key in front")
