"""`abaca config check` asks the Keystone whose tokens Abaca believes, and every other service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.keystone.cloud import PASSWORD, Cloud
from support.neutron.server import NeutronServer
from support.nova.server import NovaServer

pytestmark = [
    pytest.mark.xdist_group("keystone"),
    pytest.mark.timeout(300),
    # Of what keystonemiddleware imports.
    pytest.mark.filterwarnings("ignore:'cgi' is deprecated:DeprecationWarning"),
]
CONFIG = """
[DEFAULT]
state_path = {folder}/state
auth_strategy = keystone
enabled_share_backends = one, two
[keystone_authtoken]
auth_type = password
auth_url = {keystone}
www_authenticate_uri = {keystone}
username = {user}
password = {password}
project_name = {project}
user_domain_name = Default
project_domain_name = Default
[one]
share_driver = fake
driver_mode = managed_multi_svm
network_config_group = neutron1
[two]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = nova1
[neutron1]
network_plugin = neutron
auth_url = {keystone}
username = operator
password = {neutron_password}
project_name = services
owner_tag = one
[nova1]
network_plugin = nova
auth_url = {keystone}
username = operator
password = {password}
project_name = services
network = {label}
"""
OPTIONS: dict[str, object] = {
    "auth_type": "password",
    "username": "abaca",
    "password": PASSWORD,
    "project_name": "services",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}
WRONG: list[tuple[dict[str, object], str]] = [
    ({"password": "wrong"}, "username, password, project_name: Keystone refuses them"),
    ({"project_name": "nowhere"}, "username, password, project_name: Keystone refuses them"),
    ({"auth_type": None}, "auth_type: An auth plugin is required"),
    ({"auth_url": "http://127.0.0.1:1/v3"}, "does not answer"),
    ({"auth_url": "OTHER"}, "is no Keystone"),
    ({"region_name": "elsewhere"}, "interface: Keystone's own endpoint is not in its catalog"),
    ({"username": "alice", "project_name": "red"}, "give it the role service"),
]


def findings(cloud: Cloud, **values: object) -> list[str]:
    """Of a service with these options."""
    from abaca.api.auth.keystone import Keystone  # noqa: PLC0415 - warns when it is imported

    return Keystone({**OPTIONS, "auth_url": cloud.keystone.url, **values}).findings()


@pytest.mark.parametrize(("change", "text"), WRONG, ids=lambda item: str(item)[:50])
def test_findings(cloud: Cloud, change: dict[str, object], text: str) -> None:
    """One line for what keeps Abaca from checking tokens, and no secrets in it."""
    if change.get("auth_url") == "OTHER":
        change = {"auth_url": f"{cloud.keystone.root}/elsewhere"}
    (line,) = findings(cloud, **change)
    assert line.startswith("[keystone_authtoken] ")
    assert text in line
    assert PASSWORD not in line


def test_no_findings(cloud: Cloud) -> None:
    """Nothing is said against options that work."""
    assert findings(cloud) == []


def test_every_service_is_asked(
    cloud: Cloud, neutron: NeutronServer, nova: NovaServer, tmp_path: Path
) -> None:
    """The command has one line for each, and exit code 1; none, and 0, when all is well."""
    assert neutron.url
    assert nova.url
    file = tmp_path / "abaca.conf"
    good = {"user": "abaca", "project": "services", "neutron_password": PASSWORD, "label": "flat"}
    bad = {"user": "alice", "project": "red", "neutron_password": "wrong", "label": "gone"}
    argv = [str(Path(sys.executable).with_name("abaca")), "config", "check", "--config-file"]

    def check(**values: str) -> tuple[int, list[str]]:
        text = CONFIG.format(
            folder=tmp_path, keystone=cloud.keystone.url, password=PASSWORD, **values
        )
        file.write_text(text)
        done = subprocess.run(
            [*argv, str(file)], capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stderr.splitlines()

    assert check(**good) == (0, [])
    code, lines = check(**bad)
    assert code == 1
    sections = ("[keystone_authtoken] ", "[neutron1] ", "[nova1] ", "3 faults")
    assert len(lines) == len(sections)
    assert all(line.startswith(section) for line, section in zip(lines, sections, strict=True))
    assert not any(PASSWORD in line for line in lines)
