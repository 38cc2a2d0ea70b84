"""Where the time goes: ``python -m benchmarks.profiles startup|create|list``.

``startup`` sums what Python says of each import, by package. The others run API and managers
in this process, under Python's own profiler, which makes what is Python look two or three
times as slow: shares of the whole say more than milliseconds.
"""

from __future__ import annotations

import cProfile
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import click
from falcon.testing import TestClient

from abaca import logs
from abaca.service.api import make_api
from benchmarks import roundtrips, seed
from benchmarks.client import VERSION
from benchmarks.service import SINGLE, Deployment, databases, deploy

SHOWN = 18
TIMES = 100
IDLE = frozenset(
    {
        "<built-in method time.sleep>",
        "<method 'acquire' of '_thread.lock' objects>",
        "<method 'get' of '_queue.SimpleQueue' objects>",
    }
)
"""What threads do that have nothing to do."""
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)")


class Profiled:
    """Profiles this thread and those that are started in the block."""

    def __init__(self) -> None:
        self._profiles: list[cProfile.Profile] = []

    def __enter__(self) -> Self:
        threading.setprofile(self._begin)
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._profiles[0].disable()
        threading.setprofile(None)

    def _begin(self, *_: object) -> None:
        """Called in each thread, at its first function."""
        profile = cProfile.Profile()
        self._profiles.append(profile)
        profile.enable()

    def calls(self) -> dict[tuple[str, int, str], tuple[int, float, float]]:
        """By function: calls, seconds in itself, seconds with what it calls."""
        found: dict[tuple[str, int, str], tuple[int, float, float]] = {}
        for profile in self._profiles:
            profile.create_stats()
            for name, (_, count, own, whole, _callers) in profile.stats.items():
                before = found.get(name, (0, 0.0, 0.0))
                found[name] = (before[0] + count, before[1] + own, before[2] + whole)
        return {name: item for name, item in found.items() if name[2] not in IDLE}


@click.command()
@click.argument("what", type=click.Choice(["startup", "create", "list"]))
@click.option("--database", default="sqlite", show_default=True, help="For create and list.")
def main(what: str, database: str) -> None:
    """Print where the time goes."""
    logs.configure("ERROR", "auto")
    with tempfile.TemporaryDirectory(prefix="abaca-bench-") as name:
        folder = Path(name)
        with databases(folder / "db", database) as url:
            deployment = deploy(folder, url)
            {"startup": _startup, "create": _create, "list": _list}[what](deployment)


def _show(title: str, rows: Sequence[tuple[float, str]]) -> None:
    click.echo(title)
    for taken, name in sorted(rows, reverse=True)[:SHOWN]:
        click.echo(f"  {taken:9.3f} ms  {name}")


def _told(profiled: Profiled, times: int, what: str) -> None:
    """Per repetition. The profiler doubles or trebles the time of Python's functions."""
    calls = profiled.calls()
    packages: Counter[str] = Counter()
    for (file, _, name), (_, own, _) in calls.items():
        packages[_package(file, name)] += round(own * 1e6)
    click.echo(what)
    _show("alone, by package", [(n / 1000 / times, name) for name, n in packages.items()])
    whole = [
        (1000 * item[2] / times, f"{_module(file)}.{name} ({item[0] / times:.1f} calls)")
        for (file, _, name), item in calls.items()
        if "/abaca/" in file and item[0] >= times
    ]
    _show("functions of Abaca's, with what they call", whole)


def _module(file: str) -> str:
    tail = re.split(r"/site-packages/|/src/|/lib/python[\d.]+/(?!site-packages)", file)[-1]
    return tail.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _package(file: str, name: str) -> str:
    if file == "~":
        return name
    parts = _module(file).split(".")
    return ".".join(parts[:2]) if parts[0] in {"abaca", "sqlalchemy"} else parts[0]


def _startup(deployment: Deployment) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "abaca.cli.main", "serve"]
    with subprocess.Popen(
        [*argv, "--config-file", str(deployment.file)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        _, said = process.communicate(timeout=30)
    found: Counter[str] = Counter()
    for taken, name in _IMPORT.findall(said):
        found[name.partition(".")[0]] += int(taken)
    click.echo(f"imports: {sum(found.values()) / 1000:.0f} ms")
    _show("alone, by package", [(taken / 1000, name) for name, taken in found.items()])


def _create(deployment: Deployment) -> None:
    db = deployment.database()
    try:
        # The managers' threads start inside.
        with Profiled() as profiled, roundtrips.in_process(deployment, db) as make:
            for _ in range(TIMES):
                make(SINGLE)
    finally:
        db.close()
    _told(profiled, TIMES, f"{TIMES} shares, POST to available, with the start of the managers")


def _list(deployment: Deployment) -> None:
    db = deployment.database()
    try:
        seed.fill(db, deployment.types[SINGLE], 100, click.echo)
        app = make_api(deployment.config, db, lambda _: None)
        client = TestClient(app, headers={"X-OpenStack-Manila-API-Version": VERSION})
        client.simulate_get("/v2/shares/detail")
        with Profiled() as profiled:
            for _ in range(TIMES):
                client.simulate_get("/v2/shares/detail", query_string="limit=100")
    finally:
        db.close()
    _told(profiled, TIMES, f"{TIMES} lists of 100 shares in detail")


if __name__ == "__main__":
    main()
