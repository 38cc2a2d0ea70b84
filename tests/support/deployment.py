"""Several `abaca api` and `abaca manager` processes on one database, and tenants that use them."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from abaca.db import migrate
from abaca.db.database import Database
from abaca.identity.accounts import Accounts
from abaca.identity.passwords import Hasher
from abaca.testing.wait import until

ABACA = str(Path(sys.executable).with_name("abaca"))
START_SECONDS = 60
STOP_SECONDS = 30
BACKENDS = {"one": "single_svm", "many": "flat_multi_svm"}
PASSWORD = "of-a-throw-away-user"


class Deployment:
    """The processes, by name: ``api1``, ``manager2``. Each counts as a host of its own.

    ``elsewhere``: the database's URL for those that have another way to it.
    """

    def __init__(
        self, folder: Path, database_url: str, elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._elsewhere = elsewhere or {}
        self.db = Database(database_url)
        migrate.upgrade(self.db)
        self.accounts = Accounts(self.db, Hasher())
        self.accounts.bootstrap(PASSWORD)
        self.urls: list[str] = []
        self._url = database_url
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._started: Counter[str] = Counter()

    def start(self, name: str, **environment: str) -> None:
        """Start a process, with more in its environment; an API is listening on return."""
        command = name.rstrip("0123456789")
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [ABACA, command, "--config-file", str(self._config(name))],
                stdout=subprocess.PIPE if command == "api" else log,
                stderr=log,
                text=True,
                env={**os.environ, **environment},
            )
        self._processes[name] = process
        if process.stdout is not None:
            line = process.stdout.readline()
            found = re.search(r"listening on (http\S+)", line)
            assert found, (self.folder / f"{name}.log").read_text()[-3000:]
            self.urls.append(found[1])

    def until_working(self, name: str) -> None:
        """Wait for a manager that was just started."""
        log, started = self.folder / f"{name}.log", '"event": "started"'
        before, self._started[name] = self._started[name], self._started[name] + 1
        until(
            lambda: log.read_text().count(started) > before, f"{name} works", seconds=START_SECONDS
        )

    def kill(self, name: str) -> None:
        """End it like a crash."""
        process = self._processes[name]
        process.kill()
        process.wait(STOP_SECONDS)

    def ended(self) -> list[str]:
        """Processes that have ended though nobody told them to."""
        return [name for name, item in self._processes.items() if item.poll() is not None]

    def stop(self) -> None:
        """Stop every process, and say if one did not end well."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)
            if process.stdout is not None:
                process.stdout.close()
        self.db.close()

    def tenant(self, name: str, *, role: str = "member") -> Tenant:
        """A project with a user, logged in."""
        self.accounts.create_project(name)
        self.accounts.create_user(name, PASSWORD)
        self.accounts.grant(name, name, role)
        return self.log_in(name)

    def log_in(self, name: str) -> Tenant:
        """The user in the project of the same name."""
        who = {"name": name, "domain": {"id": "default"}}
        identity = {"methods": ["password"], "password": {"user": {**who, "password": PASSWORD}}}
        body = {"auth": {"identity": identity, "scope": {"project": who}}}
        status, _, headers = ask("POST", f"{self.urls[0]}/identity/v3/auth/tokens", body, {})
        assert status == 201
        return Tenant(self.urls, headers["X-Subject-Token"])

    def worlds(self) -> dict[str, dict[str, Any]]:
        """What exists on each backend."""
        return {
            name: json.loads((self.folder / f"{name}.json").read_text())
            for name in BACKENDS
            if (self.folder / f"{name}.json").exists()
        }

    def _config(self, name: str) -> Path:
        file = self.folder / f"{name}.conf"
        sections = [
            f"[{backend}]\nshare_driver = fake\ndriver_mode = {mode}\nbackend_host = shared\n"
            f"fake_state_file = {self.folder}/{backend}.json\nfake_delay = ensure_share:0.05\n"
            f"{'network_config_group = net' if mode != 'single_svm' else ''}"
            for backend, mode in BACKENDS.items()
        ]
        file.write_text(
            f"[DEFAULT]\nhost = {name}\nstate_path = {self.folder}/state\nlisten_port = 0\n"
            f"auth_strategy = builtin\nenabled_share_backends = {', '.join(BACKENDS)}\n"
            "task_workers = 8\nsupervise_seconds = 1\n"
            f"[database]\nconnection = {self._elsewhere.get(name, self._url)}\n"
            "[net]\nnetwork_plugin = standalone\ngateway = 10.10.0.1\nmask = 24\n"
            "allowed_ip_ranges = 10.10.0.10-10.10.0.199\n" + "\n".join(sections) + "\n"
        )
        return file


@dataclass(frozen=True)
class Tenant:
    """Calls any of the APIs."""

    urls: list[str]
    token: str
    shares: dict[str, int] = field(default_factory=dict)
    """Accepted and not yet asked to go: size by ID."""
    deleted: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """The answer's body; the status must be this one."""
        headers = {"X-Auth-Token": self.token, "X-OpenStack-Manila-API-Version": "2.65"}
        url = f"{random.choice(self.urls)}/v2{path}"  # noqa: S311 - no secret
        got, answer, _ = ask(method, url, body, headers)
        assert got == status, (method, path, got, answer)
        return answer

    def create(self, share_type: str, network: str | None) -> str:
        """Ask for a share; its ID."""
        wanted = {"share_proto": "NFS", "size": 1, "share_type": share_type}
        wanted |= {"share_network_id": network} if network else {}
        share_id: str = self.ask("POST", "/shares", {"share": wanted})["share"]["id"]
        self.shares[share_id] = 1
        return share_id

    def extend(self, share_id: str) -> None:
        """Ask for a GiB more of a share that is available."""
        size = self.shares[share_id] + 1
        action = {"extend": {"new_size": size}}
        self.ask("POST", f"/shares/{share_id}/action", action, status=202)
        self.shares[share_id] = size

    def delete(self, share_id: str) -> None:
        """Ask for a share to go."""
        self.ask("DELETE", f"/shares/{share_id}", status=202)
        del self.shares[share_id]
        self.deleted.append(share_id)

    def statuses(self) -> dict[str, str]:
        """The status of every share that is there."""
        return {share_id: status for share_id, (status, _) in self.states().items()}

    def states(self) -> dict[str, tuple[str, int]]:
        """Status and size of every share that is there."""
        found = self.ask("GET", "/shares/detail?limit=1000")["shares"]
        return {item["id"]: (item["status"], item["size"]) for item in found}


def ask(method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, Any, Message]:
    """Status, body and headers of an answer."""
    request = urllib.request.Request(  # noqa: S310 - http on loopback
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={**headers, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - same
            text = answer.read()
            return answer.status, json.loads(text) if text else None, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def every(seconds: float, end: float) -> Iterator[int]:
    """Counts up, at this pace, until that time of the monotonic clock."""
    number = 0
    while time.monotonic() < end:
        yield (number := number + 1)
        time.sleep(seconds)
