"""`abaca config check` asks the Keystone whose tokens Abaca believes, and every other service."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command import abaca
from support.configuration import FLAT, MANAGED, configuration
from support.keystone.cloud import PASSWORD, Cloud, authtoken, credentials
from support.neutron.server import NeutronServer
from support.nova.server import NovaServer

pytestmark = [
    pytest.mark.timeout(300),
    # Of what keystonemiddleware imports.
    pytest.mark.filterwarnings("ignore:'cgi' is deprecated:DeprecationWarning"),
]
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

    return Keystone({**authtoken(cloud.keystone.url), **values}).findings()


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
    url = cloud.keystone.url
    backends = {
        "one": {**MANAGED, "network_config_group": "neutron1"},
        "two": {**FLAT, "network_config_group": "nova1"},
    }

    def check(code: int, *, user: str, project: str, password: str, label: str) -> list[str]:
        file = configuration(
            tmp_path,
            backends,
            DEFAULT={"auth_strategy": "keystone"},
            keystone_authtoken=authtoken(url, user, project),
            neutron1=credentials(url, network_plugin="neutron", owner_tag="one", password=password),
            nova1=credentials(url, network_plugin="nova", network=label),
        )
        return abaca("config", "check", "--config-file", str(file), code=code).stderr.splitlines()

    assert check(0, user="abaca", project="services", password=PASSWORD, label="flat") == []
    lines = check(1, user="alice", project="red", password="wrong", label="gone")
    sections = ("[keystone_authtoken] ", "[neutron1] ", "[nova1] ", "3 faults")
    assert len(lines) == len(sections)
    assert all(line.startswith(section) for line, section in zip(lines, sections, strict=True))
    assert not any(PASSWORD in line for line in lines)
