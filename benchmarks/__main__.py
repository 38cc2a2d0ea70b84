"""``python -m benchmarks [NAME ...]``: measure, print one table, write it as JSON."""

from __future__ import annotations

import importlib
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import click

from abaca import logs
from benchmarks.results import Run, as_json, machine, print_table

BENCHES = {
    "ipam": "Addresses per second: empty and full pools, 1 and 8 processes, each database.",
    "api": "Show, list and create with ever more shares, beside the bare framework.",
    "provisioning": "POST to available with the fake driver, beside its database round trips.",
    "startup": "Start of `abaca serve` to the first share, and its memory at rest.",
    "share_server": "Real share servers: set-up by step, removal, memory; Ganesha by hand beside.",
    "data_path": "NFS throughput through a share server, beside the same Ganesha without Abaca.",
}
"""Module of this package: what it measures."""

DATABASES = ("sqlite", "postgresql", "mariadb")


class Names(click.ParamType):  # type: ignore[type-arg]
    """A benchmark, or several with commas between."""

    name = "NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As written, if there is such a benchmark."""
        for item in value.split(","):
            if item not in BENCHES:
                self.fail(f"{item} is no benchmark; there are {', '.join(BENCHES)}", param, ctx)
        return value


@click.command(epilog="\b\n" + "\n".join(f"{name:<14} {text}" for name, text in BENCHES.items()))
@click.argument("names", nargs=-1, type=Names())
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the rows here.")
@click.option("--short", is_flag=True, help="Just enough to see that all of it works.")
@click.option(
    "--database",
    "databases",
    multiple=True,
    type=click.Choice(DATABASES),
    help="Only on these; may be given several times. All, or SQLite in the short form.",
)
@click.option(
    "--shares",
    multiple=True,
    type=int,
    help="How many shares there are when the API is asked; may be given several times. "
    "100 and 10,000 if not given; 1000000 takes some minutes.",
)
@click.option("--servers", type=int, help="How many share servers are made on one host: 10.")
def main(
    names: tuple[str, ...],
    json_file: Path | None,
    databases: tuple[str, ...],
    shares: tuple[int, ...],
    servers: int | None,
    *,
    short: bool,
) -> None:
    """Measure Abaca beside a baseline in the same run, and print one table.

    Each row has its ratio, the value divided by the baseline's. All benchmarks if none is
    named. share_server and data_path need root. Whatever is made is removed again.
    """
    logs.configure("WARNING", "auto")
    signal.signal(signal.SIGTERM, _interrupt)
    # As installed: with it every start compiles every module anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    where = machine()
    chosen = [item for name in names for item in name.split(",")] or list(BENCHES)
    with tempfile.TemporaryDirectory(prefix="abaca-bench-") as folder:
        run = Run(
            folder=Path(folder),
            short=short,
            databases=databases or (DATABASES[:1] if short else DATABASES),
            shares=shares or ((100,) if short else (100, 10_000)),
            servers=servers or (1 if short else 10),
            say=lambda text: click.echo(text, err=True),
        )
        try:
            _measure(run, chosen)
        finally:
            # What was measured before an error, or Ctrl-C, is told too.
            if json_file is not None:
                json_file.write_text(as_json(run.rows, where, short=short))
            print_table(run.rows, where)


def _measure(run: Run, chosen: Sequence[str]) -> None:
    root = run.folder
    for number, name in enumerate(chosen, 1):
        run.say(f"[{number}/{len(chosen)}] {name}: {BENCHES[name]}")
        run.bench, run.folder = name, root / name
        run.folder.mkdir(exist_ok=True)
        begun = time.monotonic()
        importlib.import_module(f"benchmarks.{name}").run(run)
        run.say(f"  took {time.monotonic() - begun:.1f} s")


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
