"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from abaca.config import Config
    from abaca.db.database import Database

F = TypeVar("F", bound=Callable[..., Any])


class Files:
    """Which configuration a command was given; loads it when asked."""

    def __init__(self, files: tuple[Path, ...], folders: tuple[Path, ...]) -> None:
        self.files = files
        self.folders = folders

    def load(self, *, need_backends: bool = False) -> Config:
        """The configuration. ConfigError if it has faults."""
        from abaca import logs  # noqa: PLC0415 - `abaca --help` must be quick

        # Standard output is for answers; a service sets its own level once it knows it.
        logs.configure("WARNING", "auto", lasting=False)
        return self.read(need_backends=need_backends)

    def read(self, *, need_backends: bool = False) -> Config:
        """As `load`, and logs go on as they are: for a service that runs."""
        from abaca.config import load  # noqa: PLC0415 - same

        return load(self.files, self.folders, need_backends=need_backends)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The configured database, migrated; closed with the block."""
        from abaca import logs  # noqa: PLC0415 - same
        from abaca.service.state import open_database  # noqa: PLC0415

        config = self.load()
        # What a command prints is its answer; a service has more to say.
        logs.configure("WARNING", config.service.log_format, lasting=False)
        found = open_database(config.service)
        try:
            yield found
        finally:
            found.close()


def config_files(function: F) -> F:
    """Add --config-file and --config-dir; the command gets ``files``, a `Files`."""

    def collect(ctx: click.Context, _parameter: click.Parameter, value: tuple[Path, ...]) -> None:
        folders = ctx.params.pop("config_dir", ())
        ctx.params["files"] = Files(value, folders)

    path = click.Path(path_type=Path)
    function = click.option(
        "--config-file",
        type=path,
        multiple=True,
        callback=collect,
        expose_value=False,
        metavar="FILE",
        help="Configuration file; may be given several times, later ones win. "
        "Default: $ABACA_CONFIG, else /etc/abaca/abaca.conf.",
    )(function)
    return click.option(
        "--config-dir",
        type=path,
        multiple=True,
        is_eager=True,
        metavar="DIR",
        help="Directory of more files (*.conf, in order of name).",
    )(function)


def output_format(function: F) -> F:
    """Add --format; the command gets ``output``, "table" or "json"."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For people, or for machines.",
    )(function)
