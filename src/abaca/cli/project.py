"""`abaca project`: projects of the builtin identity, and who has which role in them."""

from __future__ import annotations

import click

from abaca.cli.accounts import accounts
from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show, show_one
from abaca.identity.roles import ROLES


@click.group()
def project() -> None:
    """Projects of the builtin identity."""


@project.command()
@config_files
@click.argument("name")
@click.option("--description", help="What it is for.")
@output_format
def create(files: Files, name: str, description: str | None, output: str) -> None:
    """Make a project."""
    with accounts(files) as who:
        made = who.create_project(name, description)
    row = {"id": made.id, "name": made.name, "description": made.description}
    show_one(row, output)


@project.command("list")
@config_files
@output_format
def list_projects(files: Files, output: str) -> None:
    """List projects."""
    with accounts(files) as who:
        rows = [
            {"id": item.id, "name": item.name, "description": item.description}
            for item in who.projects()
        ]
    show(rows, ("id", "name", "description"), output)


@project.command()
@config_files
@click.argument("name")
def delete(files: Files, name: str) -> None:
    """Remove a project that has no shares, share networks or share servers left."""
    with accounts(files) as who:
        who.delete_project(name)
    click.echo(f"project {name}: deleted")


@project.command()
@config_files
@click.argument("project_name", metavar="PROJECT")
@click.argument("user")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
def grant(files: Files, project_name: str, user: str, role: str) -> None:
    """Give USER a role in PROJECT."""
    with accounts(files) as who:
        who.grant(user, project_name, role)
    click.echo(f"user {user}: {role} of project {project_name}")


@project.command()
@config_files
@click.argument("project_name", metavar="PROJECT")
@click.argument("user")
@click.option("--role", type=click.Choice(ROLES), help="Which role; all of them by default.")
def revoke(files: Files, project_name: str, user: str, role: str | None) -> None:
    """Take USER's role in PROJECT; it counts from the next request on."""
    with accounts(files) as who:
        who.revoke(user, project_name, role)
    click.echo(f"user {user}: no longer {role or 'anything'} in project {project_name}")
