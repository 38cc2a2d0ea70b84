"""The guide to deployments, followed word by word on a machine with a systemd of its own.

Left out is what asks a package index. In the place of what `pip install` would put there are
the packages of this checkout, and all hosts are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from abaca.testing.wait import until
from support.booted import ROOT, Booted, booted
from support.deployment import ask
from support.hostns import Machine

pytestmark = [pytest.mark.dataplane, pytest.mark.slow]
GUIDE = (ROOT / "docs/deploy.md").read_text()
BLOCKS = [
    (found[1], dedent(found[2]))
    for found in re.finditer(r"^ *```(\w*)\n(.*?)^ *```$", GUIDE, re.DOTALL | re.MULTILINE)
]
LEFT_OUT = ("apt-get ", "/opt/abaca/bin/pip ", "/opt/abaca-new/bin/pip ")
ELSEWHERE = ("make test PYTEST_ARGS",)
"""How blocks begin that are about something else."""
SCRIPT = """#!/opt/abaca/bin/python3
import sys
from abaca.cli.main import main
sys.exit(main())
"""
"""As pip makes it."""
API = "http://127.0.0.1:8786"
PASSWORD = "of-a-throw-away-user"
SECONDS = 60


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Booted]:
    """Up, with the database servers, under the name that they have in the guide."""
    with booted(tmp_path) as found:
        found.run("echo 127.0.0.1 db.example.org >>/etc/hosts")
        found.run("systemctl start --no-block mariadb")
        found.run("systemctl start postgresql@$(basename /etc/postgresql/*)-main")
        yield found


def block(language: str, beginning: str) -> str:
    """The one piece of the guide in this language that begins so, without what is left out."""
    (found,) = [text for name, text in BLOCKS if name == language and text.startswith(beginning)]
    lines = str(found).splitlines()
    return "\n".join(line for line in lines if not line.startswith(LEFT_OUT))


def test_every_command_is_followed() -> None:
    """No block of commands is in the guide that this file knows nothing of."""
    known = [*FOLLOWED, *ELSEWHERE]
    commands = [text for name, text in BLOCKS if not name]
    assert [text for text in commands if not text.startswith(tuple(known))] == []
    assert len(commands) == len(known)


FOLLOWED = (
    "runuser -u postgres -- createuser",
    "apt-get install python3-venv",
    "useradd ",
    "/opt/abaca/bin/abaca config check --api-only",
    "apt-get install nfs-ganesha",
    "/opt/abaca/bin/abaca config check --config-file",
    "python3 -m venv /opt/abaca-new",
)
DATABASE, PROGRAM, FOR_API, START_API, FOR_MANAGER, START_MANAGER, UPGRADE = FOLLOWED


def test_the_guide_is_followed(machine: Booted, tmp_path: Path) -> None:
    """Both units start as it says, and share servers serve while the manager is away."""
    install(machine)
    machine.run(block("", DATABASE), stdin="PASSWORD\nPASSWORD\n")
    machine.run(block("", FOR_API))
    configure(machine, "api.conf", "state_path = /var/lib/abaca-api")
    machine.run(said("runuser -u abaca"), stdin=f"{PASSWORD}\n")
    machine.run(block("", START_API))
    machine.until(said("curl -fs"))
    machine.run("test -s /var/lib/abaca-api/token-keys")
    machine.run("ip link add br-flat1 type bridge")
    machine.run("ip link set br-flat1 up; ip addr add 10.10.0.1/24 dev br-flat1")
    machine.run(block("", FOR_MANAGER))
    configure(machine, "manager.conf", "state_path = /var/lib/abaca\n")
    machine.run(block("", START_MANAGER))
    file = tmp_path / "file"
    file.write_text("written before")
    outlives(machine, machine.call(lambda: share(Client())), file)
    upgrade(machine)
    on_mariadb(machine)


def install(machine: Booted) -> None:
    """The program, by the guide's block; without pip, what pip would have made."""
    commands = block("", PROGRAM)
    assert "python3 -m venv /opt/abaca\n" in commands
    machine.run(commands.replace("venv /opt", "venv --without-pip /opt"))
    machine.run("cat >/opt/abaca/bin/abaca; chmod 755 /opt/abaca/bin/abaca", stdin=SCRIPT)


def configure(machine: Booted, name: str, option: str) -> None:
    """The guide's file with this option, into the file that a command of the guide made."""
    machine.run(f"test -f /etc/abaca/{name}; cat >/etc/abaca/{name}", stdin=whole(option))


def whole(option: str) -> str:
    """The configuration in the guide that has this option."""
    (found,) = [text for name, text in BLOCKS if name == "ini" and f"[DEFAULT]\n{option}" in text]
    return str(found)


def said(beginning: str) -> str:
    """The command in the guide's text that begins so."""
    (found,) = set(re.findall(f"`({beginning}[^`]*)`", GUIDE))
    return str(found)


class Client:
    """The administrator, who asks the API."""

    def __init__(self) -> None:
        who = {"name": "admin", "domain": {"id": "default"}}
        password = {"user": {**who, "password": PASSWORD}}
        identity = {"methods": ["password"], "password": password}
        body = {"auth": {"identity": identity, "scope": {"project": who}}}
        status, _, headers = ask("POST", f"{API}/identity/v3/auth/tokens", body, {})
        assert status == 201
        self.token = headers["X-Subject-Token"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's body; it must be a success."""
        headers = {"X-Auth-Token": self.token, "X-OpenStack-Manila-API-Version": "2.65"}
        status, answer, _ = ask(method, f"{API}/v2{path}", body, headers)
        assert status < 400, (method, path, answer)
        return answer


def share(client: Client) -> str:
    """A new share on a share server, that everybody may use: where it is mounted from."""
    until(lambda: client.ask("GET", "/scheduler-stats/pools")["pools"], "a pool", seconds=SECONDS)
    specs = {"driver_handles_share_servers": True}
    client.ask("POST", "/types", {"share_type": {"name": "many", "extra_specs": specs}})
    network = client.ask("POST", "/share-networks", {"share_network": {}})["share_network"]["id"]
    wanted = {"share_proto": "NFS", "size": 1, "share_type": "many", "share_network_id": network}
    found = f"/shares/{client.ask('POST', '/shares', {'share': wanted})['share']['id']}"
    until(
        lambda: client.ask("GET", found)["share"]["status"] == "available",
        "the share is available",
        seconds=SECONDS,
    )
    rule = {"access_type": "ip", "access_to": "10.10.0.0/24", "access_level": "rw"}
    client.ask("POST", f"{found}/action", {"allow_access": rule})
    location = client.ask("GET", f"{found}/export_locations")["export_locations"][0]["path"]
    return str(location)


def outlives(machine: Booted, location: str, file: Path) -> None:
    """A file is written; the share server goes on while the manager is away and when it is back."""
    client = Machine(machine.netns)
    until(
        lambda: client.write(location, "file", file).returncode == 0,
        "it may be written",
        seconds=SECONDS,
    )
    before = machine.run("pidof ganesha.nfsd")
    machine.run("systemctl stop abaca-manager")
    assert machine.run("systemctl is-active abaca-manager || true").strip() == "inactive"
    assert client.read(location, "file").stdout == file.read_text()
    machine.run("systemctl start abaca-manager")
    run = machine.run("systemctl show --property InvocationID --value abaca-manager").strip()
    machine.until(f"""journalctl _SYSTEMD_INVOCATION_ID={run} | grep '"event": "started"'""")
    assert client.read(location, "file").stdout == file.read_text()
    assert machine.run("pidof ganesha.nfsd") == before
    assert machine.run("systemctl --failed --no-legend") == ""


def upgrade(machine: Booted) -> None:
    """What is asked before an upgrade, and done; here to the version that is there."""
    machine.run("ln -s abaca /opt/abaca-new")
    answer = machine.run(block("", UPGRADE).replace("python3 -m venv", "test -d"))
    assert "or later can use it" in answer.splitlines()[-1]
    assert machine.run(said("/opt/abaca-new/bin/abaca db upgrade")).startswith("already at")


def on_mariadb(machine: Booted) -> None:
    """The guide's statements make a database that answers under the guide's URL."""
    machine.run("systemctl start mariadb")
    machine.run("mariadb", stdin=block("sql", "CREATE DATABASE abaca;"))
    (url,) = [text for name, text in BLOCKS if name == "ini" and "mysql+pymysql" in text]
    machine.run("cat >/etc/abaca/other.conf", stdin=url)
    check = "/opt/abaca/bin/abaca config check --api-only --config-file /etc/abaca/other.conf"
    assert "mysql+pymysql://abaca@db.example.org/abaca" in machine.run(check)
