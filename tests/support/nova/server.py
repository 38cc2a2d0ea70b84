"""A real nova with nova-network's API, on loopback, with networks that tests may use up."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abaca.testing.ports import free_port
from support.cached_venv import cache_root, digest, locked
from support.nova.install import HERE, nova_venv

PROJECT = "0123456789abcdef0123456789abcdef"
OTHER_PROJECT = "fedcba9876543210fedcba9876543210"
FLAT = "11111111-1111-4111-8111-111111111111"
VLAN = "22222222-2222-4222-8222-222222222222"
DUAL = "33333333-3333-4333-8333-333333333333"
SIX = "44444444-4444-4444-8444-444444444444"
ADMIN = f"admin:{PROJECT}"
"""A token that noauth2 believes; a name other than admin makes no administrator."""
START_SECONDS = 120
CHANGED = ("networks", "fixed_ips")


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaServer:
    """A running nova, and its database behind its back."""

    root: str
    """URL without a version."""
    database: Path
    template: Path

    @property
    def url(self) -> str:
        """As the catalog would have it."""
        return f"{self.root}/v2.1"

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Run a statement in nova's database."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def reset(self) -> None:
        """Networks and addresses are as they were in the beginning."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            connection.execute("ATTACH ? AS template", (str(self.template),))
            with connection:
                for table in CHANGED:
                    connection.execute(f"DELETE FROM main.{table}")  # noqa: S608 - names of ours
                    connection.execute(
                        f"INSERT INTO main.{table} SELECT * FROM template.{table}"  # noqa: S608
                    )

    def reserved(self) -> set[str]:
        """Addresses that are reserved."""
        return _reserved(self.database)

    def reserved_at_first(self) -> set[str]:
        """Those that were reserved in the beginning."""
        return _reserved(self.template)

    def remove_network(self, network_id: str) -> None:
        """As an administrator's ``nova network-delete`` leaves the rows."""
        self.sql(
            "UPDATE fixed_ips SET deleted = id WHERE network_id = "
            "(SELECT id FROM networks WHERE uuid = ?)",
            network_id,
        )
        self.sql("UPDATE networks SET deleted = id WHERE uuid = ?", network_id)

    def give_to_instance(self, address: str) -> None:
        """An instance has the address from now on."""
        self.sql(
            "UPDATE fixed_ips SET reserved = 0, allocated = 1, "
            "instance_uuid = (SELECT uuid FROM instances LIMIT 1) WHERE address = ?",
            address,
        )


def _reserved(database: Path) -> set[str]:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        found = connection.execute("SELECT address FROM fixed_ips WHERE reserved AND NOT deleted")
        return {row[0] for row in found}


@contextmanager
def nova_server(folder: Path, extra: str = "") -> Iterator[NovaServer]:
    """A nova of its own for a test session; killed at the end."""
    venv = nova_venv()
    template = _template(venv)
    database = folder / "nova.sqlite"
    shutil.copyfile(template, database)
    port = free_port()
    conf = _conf(folder, venv, port, extra)
    argv = [str(venv / "bin/python"), str(venv / "bin/nova-api-os-compute")]
    with (folder / "nova.out").open("wb") as out:
        process = subprocess.Popen(
            [*argv, "--config-file", str(conf)],
            env=_environment(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/", folder / "nova.out")
        yield NovaServer(root=f"http://127.0.0.1:{port}", database=database, template=template)
    finally:
        os.kill(process.pid, signal.SIGKILL)  # SIGTERM takes it up to 8 s
        process.wait(30)


def _template(venv: Path) -> Path:
    """The filled database, made once."""
    parts = [path.read_bytes() for path in sorted(HERE.rglob("*")) if path.suffix == ".in"]
    parts += [(HERE / "bootstrap.py").read_bytes(), venv.name.encode()]
    made = cache_root() / f"nova-database-{digest(*parts)}.sqlite"
    with locked(made.with_suffix(".lock")):
        if not made.exists():
            folder = cache_root() / f"{made.stem}.making"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            conf = _conf(folder, venv, 0, "")
            subprocess.run(
                [str(venv / "bin/python"), str(HERE / "bootstrap.py"), str(conf)],
                env=_environment(),
                check=True,
                capture_output=True,
                timeout=300,
            )
            (folder / "nova.sqlite").rename(made)
            shutil.rmtree(folder)
    return made


def _conf(folder: Path, venv: Path, port: int, extra: str) -> Path:
    text = (HERE / "nova.conf.in").read_text()
    for name, value in {"@DIR@": folder, "@VENV@": venv, "@PORT@": port}.items():
        text = text.replace(name, str(value))
    found = folder / "nova.conf"
    found.write_text(f"{text}{extra}")
    return found


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE / "shim"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310 - loopback
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError(f"nova did not start: {log.read_text()[-3000:]}")
