"""An API and a manager apart: each answers monitoring by itself, also while the database hangs."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from abaca.testing.wait import until
from support.command import ABACA
from support.configuration import SINGLE, configuration
from support.databases import Databases
from support.serving import running


class Frozen:
    """A TCP port in front of the database's socket, which can stop passing anything on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.flowing = threading.Event()
        self.flowing.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                self.flowing.wait()
                other.sendall(data)
        except OSError:
            pass  # either side is gone
        finally:
            one.close()
            other.close()

    def close(self) -> None:
        """Nothing new; what is open ends with its sides."""
        self.flowing.set()
        self._server.close()


@contextmanager
def monitored(command: str, file: Path, log: Path) -> Iterator[str]:
    """A process; where it answers monitoring."""
    with running([ABACA, command, "--config-file", str(file)], log) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"metrics on (http\S+)/metrics", line):
                yield found[1]
                break
        else:
            raise AssertionError(log.read_text())


def ask(url: str) -> tuple[int, str]:
    """Status and text."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - on loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def database(databases: Databases) -> Iterator[tuple[str, Frozen]]:
    """The URL of a database behind a port that can freeze, and that port."""
    with databases.one("postgresql") as direct:
        url = make_url(direct)
        folder, port = url.query["host"], url.query.get("port", "5432")
        front = Frozen(f"{folder}/.s.PGSQL.{port}")
        through = url.set(host="127.0.0.1", port=front.port, query={})
        yield through.render_as_string(hide_password=False), front
        front.close()


def test_each_process_answers_for_itself(database: tuple[str, Frozen], tmp_path: Path):
    """Own counters; a hanging database is a 503 in both, in bounded time, and is got over."""
    url, front = database
    default = {
        "host": "here",
        "auth_strategy": "none",
        "metrics_listen": "127.0.0.1:0",
        "report_seconds": 1,
    }
    file = configuration(tmp_path, {"one": SINGLE}, DEFAULT=default, database={"connection": url})
    with ExitStack() as stack:
        places = [
            stack.enter_context(monitored(command, file, tmp_path / f"{command}.log"))
            for command in ("api", "manager")
        ]
        up = 'abaca_backend_up{backend="here@one"} 1.0'
        until(lambda: up in ask(f"{places[0]}/metrics")[1], "the backend is up")
        assert [ask(f"{place}/healthcheck")[0] for place in places] == [200, 200]
        (_, api), (_, manager) = (ask(f"{place}/metrics") for place in places)
        assert 'abaca_driver_call_seconds_count{backend="one"' in manager
        assert 'abaca_driver_call_seconds_count{backend="one"' not in api

        front.flowing.clear()
        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(ask, [f"{place}/healthcheck" for place in places * 2]))
        assert {status for status, _ in told} == {503}
        errors = {json.loads(text)["database"]["error"] for _, text in told}
        assert errors == {"no answer for 5 s"}
        front.flowing.set()
        until(lambda: all(ask(f"{place}/healthcheck")[0] == 200 for place in places), "well again")
