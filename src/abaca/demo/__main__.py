"""``python -m abaca.demo``: show Abaca at work on this machine, and clean up."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from abaca.demo import leftovers
from abaca.demo.report import Report
from abaca.demo.scenario import Scenario
from abaca.demo.service import CONFIG, Service
from abaca.demo.topology import Topology
from abaca.testing import world
from abaca.testing.databases import SERVERS, serving

MARK = "ABACA_DEMO"


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report here.")
@click.option(
    "--db",
    "database",
    type=click.Choice(("sqlite", *SERVERS)),
    default="sqlite",
    help="Where the service keeps its records: a server of its own is started.",
)
@click.option("--keep-log", type=click.Path(path_type=Path), help="Copy the service's log here.")
def main(json_file: Path | None, database: str, keep_log: Path | None) -> None:
    """Provision real shares in all three driver modes, use them over NFS, and clean up.

    Needs root and the packages that `make setup` installs. Everything lives in
    network namespaces of its own: no address or port of this machine is used.
    """
    if os.geteuid() != 0:
        raise click.ClickException("the demonstration makes network namespaces: run it as root")
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    leftovers.sweep()
    report = Report()
    with _root() as root:
        os.environ[MARK] = root.name  # in the environment of all that is started from here
        before = world.snapshot([root.name])
        try:
            with _config(database) as config:
                _show(report, root, config, keep_log)
        except KeyboardInterrupt:
            report.say("Interrupted: cleaning up.")
            leftovers.remove(root)
            sys.exit(130)
        after = world.snapshot(leftovers.marks(root))
        report.left_behind = world.left_behind(before, after) + leftovers.files(root)
    sys.exit(report.finish(json_file))


def _show(report: Report, root: Path, config: str, keep_log: Path | None) -> None:
    topology = Topology(root.name.removeprefix(leftovers.PREFIX), root / "ovs")
    service = Service(topology, root)
    try:
        report.say("Making a storage host and two tenants' machines (network namespaces).")
        topology.build()
        with topology.inside():
            Scenario(report=report, service=service, topology=topology).run(config)
    finally:
        service.stop()
        topology.remove()
        if keep_log is not None and service.log.exists():
            shutil.copy(service.log, keep_log)


@contextmanager
def _config(database: str) -> Iterator[str]:
    if database not in SERVERS:
        yield CONFIG
        return
    with serving(database) as server:
        yield f"{CONFIG}\n[database]\nconnection = {server.create()}\n"


@contextmanager
def _root() -> Iterator[Path]:
    root = Path(tempfile.gettempdir(), f"{leftovers.PREFIX}{secrets.token_hex(3)}")
    leftovers.claim(root)
    try:
        yield root
    finally:
        leftovers.remove(root)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
