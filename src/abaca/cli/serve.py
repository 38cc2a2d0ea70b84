"""`abaca serve`, `abaca api` and `abaca manager`: the processes of a deployment."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import click

from abaca.cli.options import Files, config_files

if TYPE_CHECKING:
    from abaca.config import Config


def _run(files: Files, *, api: bool, managers: bool) -> None:
    # Of what a start makes hardly anything is garbage: looking for it was a tenth of the time.
    gc.disable()
    config = files.load(need_backends=managers)
    from abaca.service.run import run  # noqa: PLC0415 - faults of the configuration come first

    def again() -> Config:
        return files.read(need_backends=managers)

    run(config, api=api, managers=managers, say=click.echo, again=again)


@click.command()
@config_files
def serve(files: Files) -> None:
    """Run the API and the share managers of this host in one process.

    SIGTERM or Ctrl-C stops it; share servers go on serving, and the next start takes them up.
    SIGHUP has it read default_share_network, default_share_type and the quotas again.
    A wrong configuration ends it at once, with one line per fault and exit code 2.
    """
    _run(files, api=True, managers=True)


@click.command()
@config_files
def api(files: Files) -> None:
    """Run the API alone; it needs no privileges.

    SIGHUP has it read default_share_network, default_share_type and the quotas again.
    For several processes use any WSGI server with `abaca.wsgi:application`.
    """
    _run(files, api=True, managers=False)


@click.command()
@config_files
def manager(files: Files) -> None:
    """Run the share managers of this host alone, beside an API that runs elsewhere."""
    _run(files, api=False, managers=True)
