"""An Abaca of the benchmark's own: fake storage, a database, nobody to be asked for a password."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from abaca.config import Config, load
from abaca.db import pools, share_types
from abaca.db.database import Database
from abaca.db.tables import new_id, now, share_networks
from abaca.manager.reports import Reporter
from abaca.service.managers import make_backends
from abaca.service.state import open_database
from abaca.testing.databases import SERVERS, serving

PROJECT = "bench"
SINGLE, FLAT = "single", "flat"
"""The backends, and the share types that choose them."""
HOST = f"node@{SINGLE}"
STOP_SECONDS = 30
SQLITE = "sqlite"
DATABASES = (SQLITE, *SERVERS)

_CONFIG = """\
[DEFAULT]
host = node
state_path = {folder}/state
listen_port = 0
log_level = WARNING
auth_strategy = {auth}
none_project_id = {project}
enabled_share_backends = single, flat
[database]
connection = {url}
[quota]
shares = {limit}
gigabytes = {limit}
per_share_gigabytes = -1
[single]
share_driver = fake
driver_mode = single_svm
fake_capacity_gib = 1000000000
[flat]
share_driver = fake
driver_mode = flat_multi_svm
fake_capacity_gib = 1000000000
network_config_group = net
[net]
network_plugin = standalone
gateway = 10.10.0.1
mask = 16
"""


@contextmanager
def databases(folder: Path, kind: str) -> Iterator[str]:
    """The URL of an empty database on a server of that kind."""
    if kind == SQLITE:
        folder.mkdir(parents=True, exist_ok=True)
        yield f"sqlite:///{folder}/abaca.db"
        return
    with serving(kind) as server:
        yield server.create()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A configuration and its database, with share types and a share network in it."""

    file: Path
    config: Config
    types: dict[str, str]
    """By backend."""
    network: str

    def database(self) -> Database:
        """The caller closes it."""
        return open_database(self.config.service)

    def report(self) -> None:
        """As if the managers had just reported: placement needs it where none runs."""
        db = self.database()
        try:
            Reporter(db=db, backends=make_backends(self.config, db)).report()
        finally:
            db.close()

    def body(self, backend: str) -> dict[str, object]:
        """A request for a share there."""
        wanted: dict[str, object] = {"share_proto": "NFS", "size": 1, "share_type": backend}
        if backend == FLAT:
            wanted["share_network_id"] = self.network
        return {"share": wanted}


def deploy(folder: Path, url: str, *, auth: str = "none", limit: int = -1) -> Deployment:
    """Write the configuration, make the database. ``limit`` is the quota of shares and GiB."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "abaca.conf"
    text = _CONFIG.format(folder=folder, url=url, auth=auth, project=PROJECT, limit=limit)
    file.write_text(text)
    config = load([file])
    db = open_database(config.service)
    network = new_id()
    with db.write() as tx:
        types = {
            name: share_types.create(
                tx,
                name=name,
                description=None,
                is_public=True,
                extra_specs={"driver_handles_share_servers": str(name == FLAT)},
            )
            for name in (SINGLE, FLAT)
        }
        tx.execute(
            share_networks.insert().values(
                id=network,
                project_id=PROJECT,
                name="net",
                status="active",
                is_public=False,
                created_at=now(),
            )
        )
    db.close()
    return Deployment(file=file, config=config, types=types, network=network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that listens."""

    port: int
    process: int
    seconds: float
    """From its start until it listened."""
    beside: tuple[int, ...] = ()
    """Processes without which it is half a service."""


@contextmanager
def running(deployment: Deployment, command: str = "serve") -> Iterator[Running]:
    """``abaca serve`` (or ``api``) as long as the block lasts."""
    begun = time.perf_counter()
    with _process(deployment, command) as process:
        assert process.stdout is not None
        found = None
        for line in process.stdout:
            if found := re.search(r"listening on http://[^:]+:(\d+)", line):
                break
        if found is None:
            raise RuntimeError(f"abaca {command} ended: {_log(deployment).read_text()[-2000:]}")
        yield Running(port=int(found[1]), process=process.pid, seconds=time.perf_counter() - begun)


@contextmanager
def apart(deployment: Deployment) -> Iterator[Running]:
    """``abaca api`` and ``abaca manager``, as processes of their own."""
    with running(deployment, "api") as api, _process(deployment, "manager") as manager:
        db = deployment.database()
        try:
            while True:
                with db.read() as tx:
                    if len(pools.survey(tx).live) == len(deployment.types):
                        break
                if manager.poll() is not None:
                    raise RuntimeError(f"abaca manager: {_log(deployment).read_text()[-2000:]}")
                time.sleep(0.1)
        finally:
            db.close()
        yield replace(api, beside=(manager.pid,))


def _log(deployment: Deployment) -> Path:
    return deployment.file.with_suffix(".log")


@contextmanager
def _process(deployment: Deployment, command: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "abaca.cli.main", command]
    with _log(deployment).open("ab") as output:
        process = subprocess.Popen(
            [*argv, "--config-file", str(deployment.file)],
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def memory_mb(*processes: int) -> dict[str, float]:
    """Resident and proportional memory of these processes together, in MB (10**6 bytes)."""
    total = {"rss": 0.0, "pss": 0.0}
    for process in processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name.lower() in total:
                total[name.lower()] += int(rest.split()[0]) * 1024 / 1e6
    return total


def cpu_seconds(*processes: int) -> float:
    """User and system time of these processes together so far."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
