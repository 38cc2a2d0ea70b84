"""The `abaca` command. Each subcommand's code is imported only when it is used."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from abaca.errors import AbacaError, ConfigError

COMMANDS = {
    "serve": ("serve:serve", "Run the API and the share managers in one process."),
    "api": ("serve:api", "Run the API alone."),
    "manager": ("serve:manager", "Run the share managers of this host alone."),
    "config": ("config:config", "Print a sample configuration, or check one."),
    "db": ("db:db", "Upgrade the database, or say its version."),
    "bootstrap": (
        "bootstrap:bootstrap",
        "Make user admin in project admin, and print the password.",
    ),
    "project": ("project:project", "Projects of the builtin identity."),
    "user": ("user:user", "Users of the builtin identity, and their roles."),
    "network": ("network:network", "Networks of tenants, and who uses what."),
    "audit": ("audit:audit", "Compare the database with the backends of this host, both ways."),
    "task": ("task:task", "Work that was accepted and is not finished."),
}
"""Name, where it is, and its short help, so that `--help` needs no import."""

EXIT_FAULT = 2
EXIT_ERROR = 1


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(f"abaca.cli.{module}"), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, without importing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Named errors become lines on stderr and an exit code, not a traceback."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for fault in error.faults:
                click.echo(f"abaca: {fault}", err=True)
            ctx.exit(EXIT_FAULT)
        except AbacaError as error:
            click.echo(f"abaca: {error}", err=True)
            ctx.exit(EXIT_ERROR)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="abaca", prog_name="abaca")
def main() -> None:
    """Shared file systems (NFS) for every tenant, on whatever network the site has.

    \b
    First steps:
      abaca config sample > /etc/abaca/abaca.conf   write a configuration
      abaca config check                            see what it means
      abaca bootstrap                               make the first administrator
      abaca serve                                   start
    """  # noqa: D301 - click's mark for "keep these lines"


if __name__ == "__main__":
    sys.exit(main())
