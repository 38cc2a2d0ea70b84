"""The `abaca` command as a process: help, faults, and a service from start to stop."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from abaca.cli.main import COMMANDS, main
from support.command import ABACA, abaca
from support.configuration import SINGLE, Options, configuration

SECONDS = 60


def config_file(
    folder: Path, stored: Mapping[str, Options] | None = None, /, **default: object
) -> Path:
    """A configuration with a fake backend, on a free port; an embedded database, or the given."""
    return configuration(folder, {"one": SINGLE}, DEFAULT=default, **(stored or {}))


class Service:
    """An `abaca serve` (or api, manager) of a test."""

    def __init__(self, command: str, file: Path) -> None:
        self.process = subprocess.Popen(
            [ABACA, command, "--config-file", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []

    def url(self) -> str:
        """Wait until it listens; where."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"listening on (http\S+)", line):
                return found[1]
        raise AssertionError(self.process.communicate()[1])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal it; its exit code and log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, log


@pytest.fixture
def services() -> Iterator[list[Service]]:
    """Services that are ended after the test, whatever happens."""
    started: list[Service] = []
    yield started
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
        service.process.communicate()


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, by its words."""
    yield path
    names = list(COMMANDS) if not path else sorted(getattr(group, "commands", {}))
    for name in names:
        child = main.get_command(None, name) if not path else group.commands[name]  # type: ignore[arg-type, attr-defined]
        yield from commands(child, (*path, name))


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_help_helps_everywhere(words: tuple[str, ...]) -> None:
    """Every command says what it does, and every option of it what it means."""
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0, done.output
    assert len(done.output.splitlines()) > 4
    for line in done.output.splitlines():
        assert not re.fullmatch(r"  --[\w-]+( [A-Z_-]+)?", line), f"{line} is not explained"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_short_help_agrees_with_the_command(name: str) -> None:
    """The table that spares imports says the same as the command itself."""
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    first = (command.help or "").split("\n\n")[0].replace("\n", " ")
    assert first.startswith(COMMANDS[name][1].rstrip(".")[:20])


def test_help_imports_next_to_nothing() -> None:
    """`abaca --help` answers at once: neither database nor configuration code is loaded."""
    program = (
        "import sys, abaca.cli.main; sys.exit(any(n in sys.modules for n in "
        "('sqlalchemy', 'oslo_config', 'falcon', 'pyroute2')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("command", ["serve", "manager"])
def test_a_wrong_configuration_stops_the_service_at_once(tmp_path: Path, command: str) -> None:
    """Exit code 2, and one line per fault."""
    file = config_file(tmp_path, listn_port=1, log_level="LOUD")
    done = abaca(command, "--config-file", str(file), code=2)
    lines = done.stderr.splitlines()
    assert "abaca: [DEFAULT] listn_port: unknown option; did you mean listen_port?" in lines
    assert len(lines) == 2
    assert not (tmp_path / "state").exists()


def test_check_says_what_it_understood(tmp_path: Path) -> None:
    """Mode and network of each backend, without starting or writing anything."""
    done = abaca("config", "check", "--config-file", str(config_file(tmp_path)))
    assert (
        "backend [one]: driver fake, single_svm (driver_handles_share_servers = False), "
        "no network section, availability zone nova"
    ) in done.stdout
    assert done.stdout.splitlines()[-1] == "no faults"
    assert not (tmp_path / "state").exists()
    bad = abaca("config", "check", "--config-file", str(config_file(tmp_path, x=1)), code=1)
    assert bad.stderr.splitlines() == ["[DEFAULT] x: unknown option", "1 fault"]


def test_the_printed_sample_passes_the_check(tmp_path: Path) -> None:
    """From one command into the other."""
    file = tmp_path / "sample.conf"
    file.write_text(abaca("config", "sample").stdout)
    assert "no faults" in abaca("config", "check", "--offline", "--config-file", str(file)).stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_stops_cleanly(
    tmp_path: Path, stored: Mapping[str, Options], services: list[Service], number: int
) -> None:
    """It migrates, makes the administrator, says where it listens, answers, and ends with 0."""
    service = Service("serve", config_file(tmp_path, stored, log_format="json"))
    services.append(service)
    url = service.url()
    with urllib.request.urlopen(f"{url}/v2/", timeout=60) as answer:  # noqa: S310 - our own
        assert json.load(answer)["versions"][0]["status"] == "CURRENT"
    assert any("password" in line for line in service.lines)
    code, log = service.stop(number)
    assert code == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[-1] == "stopped"
    assert "started" in events


def test_the_password_is_printed_once(
    tmp_path: Path, stored: Mapping[str, Options], services: list[Service]
) -> None:
    """The second start finds its administrator and prints none."""
    for expected in (True, False):
        service = Service("api", config_file(tmp_path, stored))
        services.append(service)
        service.url()
        assert any("password" in line for line in service.lines) is expected
        code, log = service.stop()
        assert code == 0
        assert not any(
            word in log for line in service.lines for word in re.findall(r"word (\S+)", line)
        )


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """One line that names the address, and no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file = config_file(tmp_path)
        file.write_text(file.read_text().replace("listen_port = 0", f"listen_port = {port}"))
        done = abaca("api", "--config-file", str(file), code=2)
    assert f"[DEFAULT] listen_port: 127.0.0.1:{port} can't be listened on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_driver_that_does_not_start_is_said(tmp_path: Path) -> None:
    """In its own words, though nothing after it was begun."""
    one = {**SINGLE, "fake_fail": "start:DriverError:1"}
    done = abaca("manager", "--config-file", str(configuration(tmp_path, {"one": one})), code=1)
    assert done.stderr.splitlines()[-1] == "abaca: injected in start"
    assert "Traceback" not in done.stderr


def test_tasks_networks_and_versions_are_listed(tmp_path: Path, empty_url: str) -> None:
    """On a new database: no tasks, a tenant network added, shown and removed, the version."""
    stored = {"database": {"connection": empty_url}}
    file = ("--config-file", str(config_file(tmp_path, stored)))
    assert "empty" in abaca("db", "version", *file).stdout
    assert abaca("db", "upgrade", *file).stdout.startswith("upgraded to")
    assert abaca("db", "upgrade", *file).stdout.startswith("already at")
    assert json.loads(abaca("task", "list", "--format", "json", *file).stdout) == []
    add = ["network", "tenant", "add", "--project", "p", "--name", "n", "--type", "vxlan"]
    add += ["--segmentation-id", "7", "--cidr", "10.0.0.0/24", "--gateway", "10.0.0.1"]
    made = json.loads(abaca(*add, "--format", "json", *file).stdout)
    assert (made["segment"], made["cidrs"], made["mtu"]) == ("vxlan:7", "10.0.0.0/24", 1450)
    again = abaca(*add, *file, code=1)
    assert "has a network n already" in again.stderr
    shown = abaca("network", "tenant", "list", *file).stdout
    assert made["id"] in shown
    abaca("network", "tenant", "remove", made["id"], *file)
    assert abaca("network", "tenant", "list", *file).stdout == "none\n"
    assert "no tenant network" in abaca("network", "tenant", "remove", "x", *file, code=1).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cidr", "10.0.0.5/24"], "has host bits set"),
        (["--cidr", "10.0.0.0/24", "--gateway", "10.1.0.1"], "is not inside 10.0.0.0/24"),
        (["--cidr", "10.0.0.0/24", "--cidr", "10.1.0.0/24"], "one per IP version"),
    ],
)
def test_a_wrong_tenant_network_is_refused(
    tmp_path: Path, options: list[str], message: str
) -> None:
    """What can't be a network is said in one line."""
    add = ["network", "tenant", "add", "--project", "p", "--name", "n", "--type", "vlan"]
    file = str(config_file(tmp_path))
    done = abaca(*add, "--segmentation-id", "7", *options, "--config-file", file, code=1)
    assert message in done.stderr


def test_gunicorn_style_servers_find_the_application(
    tmp_path: Path, stored: Mapping[str, Options]
) -> None:
    """`abaca.wsgi:application` is made from ABACA_CONFIG when it is asked for."""
    program = (
        "import falcon.testing, abaca.wsgi as w; "
        "print(falcon.testing.TestClient(w.application).simulate_get('/v2').status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "ABACA_CONFIG": str(config_file(tmp_path, stored))},
    )
    assert done.stdout.strip() == "200 OK"
