"""A real Keystone on loopback, with an administrator; and what tests put into it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from abaca.testing.ports import free_port
from support.cached_venv import cache_root, digest, locked
from support.keystone.install import HERE, keystone_venv

ADMIN_PASSWORD = "of the administrator"
REGION = "RegionOne"
START_SECONDS = 120
BOOTSTRAP = ("--bootstrap-password", ADMIN_PASSWORD, "--bootstrap-region-id", REGION)
CONF = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.sqlite
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[cache]
enabled = true
backend = oslo_cache.dict
[identity]
password_hash_rounds = 4
[token]
expiration = {seconds}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneServer:
    """A running Keystone; the helpers are its administrator."""

    root: str
    folder: Path
    admin: Adapter
    """Calls as the administrator."""

    @property
    def url(self) -> str:
        """What clients are told as auth_url."""
        return f"{self.root}/v3"

    def token(self, user: str, password: str, project: str | None, **scope: str) -> str:
        """A new token."""
        token = Session(auth=login(self.url, user, password, project, **scope)).get_token()
        assert token
        return token

    def make(self, kind: str, **values: Any) -> str:
        """Make a thing (``users``, ``projects``, ...); its ID."""
        one = {"policies": "policy"}.get(kind, kind.removesuffix("s"))
        answer = self.admin.post(f"/{kind}", json={one: values})
        found: str = answer.json()[one]["id"]
        return found

    def id_of(self, kind: str, name: str) -> str:
        """The ID of the thing of that name."""
        found: str = self.admin.get(f"/{kind}?name={name}").json()[kind][0]["id"]
        return found

    def grant(self, user_id: str, project_id: str, role: str) -> None:
        """The user has the role in the project."""
        path = f"/projects/{project_id}/users/{user_id}/roles/{self.id_of('roles', role)}"
        self.admin.put(path)

    def ungrant(self, user_id: str, project_id: str, role: str) -> None:
        """The user has it no more."""
        path = f"/projects/{project_id}/users/{user_id}/roles/{self.id_of('roles', role)}"
        self.admin.delete(path)

    def serve(self, kind: str, name: str, **urls: str) -> None:
        """The catalog has a service, with endpoints by interface."""
        service = self.make("services", type=kind, name=name)
        for interface, url in urls.items():
            self.make(
                "endpoints", service_id=service, interface=interface, url=url, region_id=REGION
            )


def login(url: str, user: str, password: str, project: str | None, **scope: str) -> Password:
    """By name, at the Keystone of that URL."""
    named = {"project_name": project, "project_domain_id": "default"} if project else {}
    return Password(
        url, username=user, password=password, user_domain_id="default", **named, **scope
    )


@contextmanager
def keystone_server(folder: Path) -> Iterator[KeystoneServer]:
    """A Keystone of its own for a test session; killed at the end."""
    venv = keystone_venv()
    template = _template(venv)
    made = folder / "keystone"
    shutil.copytree(template, made)
    with running(made, seconds=3600) as root:
        session = Session(auth=login(f"{root}/v3", "admin", ADMIN_PASSWORD, "admin"))
        admin = Adapter(session, endpoint_override=f"{root}/v3")
        yield KeystoneServer(root=root, folder=made, admin=admin)


@contextmanager
def running(folder: Path, *, seconds: int) -> Iterator[str]:
    """A process on that database and those keys, whose tokens last so long; its root URL."""
    venv = keystone_venv()
    port = free_port()
    conf = folder / f"keystone-{port}.conf"
    conf.write_text(CONF.format(folder=folder, seconds=seconds))
    with (folder / "keystone.out").open("ab") as out:
        process = subprocess.Popen(
            [str(venv / "bin/python"), str(HERE / "run.py"), str(port)],
            env=_environment(conf),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/v3", folder / "keystone.out")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)


def _template(venv: Path) -> Path:
    """Database and keys with an administrator in them, made once."""
    made = (
        cache_root()
        / f"keystone-data-{digest(repr(BOOTSTRAP).encode(), CONF.encode(), venv.name.encode())}"
    )
    with locked(made.with_suffix(".lock")):
        if not made.exists():
            folder = cache_root() / f"{made.name}.making"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            conf = folder / "keystone.conf"
            conf.write_text(CONF.format(folder=folder, seconds=3600))
            owner = ("--keystone-user", "root", "--keystone-group", "root")
            _manage(venv, conf, "db_sync")
            _manage(venv, conf, "fernet_setup", *owner)
            _manage(venv, conf, "credential_setup", *owner)
            _manage(venv, conf, "bootstrap", *BOOTSTRAP)
            # Two processes are on it at times.
            with closing(sqlite3.connect(folder / "keystone.sqlite")) as database:
                database.execute("PRAGMA journal_mode = WAL")
            folder.rename(made)
    return made


def _manage(venv: Path, conf: Path, *argv: str) -> None:
    done = subprocess.run(
        [str(venv / "bin/keystone-manage"), "--config-file", str(conf), *argv],
        env=_environment(conf),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"keystone-manage {argv[0]}: {done.stdout}{done.stderr}"[-4000:])


def _environment(conf: Path) -> Mapping[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "OS_KEYSTONE_CONFIG_FILES": str(conf),
        "PYTHONWARNINGS": "ignore",
    }


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"Keystone did not start: {log.read_text()[-3000:]}")
