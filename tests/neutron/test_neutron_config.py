"""What can be wrong with a Neutron section: on paper, and when Neutron is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.neutron_config import Settings
from abaca.network.plugin import NetworkPlugin, Reachable
from support.neutron.server import NeutronServer, free_port
from support.neutron.world import TENANT, Cloud, values

pytestmark = [pytest.mark.xdist_group("neutron"), pytest.mark.timeout(300)]

GOOD: dict[str, object] = {
    "auth_url": "https://keystone.example.org/v3",
    "username": "abaca",
    "password": "hush",
    "owner_tag": "site1",
    "network": "lab",
}
FAULTS = [
    ({"auth_url": None}, "auth_url: missing; auth_type = password needs it"),
    ({"auth_url": "keystone:5000"}, "auth_url: 'keystone:5000' is no URL"),
    ({"password": ""}, "password: missing"),
    ({"auth_type": "none"}, "endpoint_override: missing; auth_type = none needs it"),
    ({"auth_type": "kerberos"}, "auth_type: 'kerberos' is unknown; write password"),
    ({"auth_type": "v3applicationcredential"}, "application_credential_id: missing"),
    ({"owner_tag": None}, "owner_tag: write a name without / that no other"),
    ({"owner_tag": "a/b"}, "owner_tag: write a name without /"),
    ({"network": None}, "network: missing; write the ID or the name"),
    ({"connectivity": "routed"}, "connectivity: flat_multi_svm has no other than direct"),
    ({"binding_profile": "[1]"}, "binding_profile: write a JSON object"),
]
MANAGED_FAULTS = [
    ({"network": "lab"}, "network: managed_multi_svm takes it from the share network; remove it"),
    ({"connectivity": "bridged"}, "connectivity: 'bridged' is unknown; write direct or routed"),
    ({"connectivity": "routed"}, "service_cidr: missing"),
    ({"connectivity": "routed", "service_cidr": "10.0.0.1/8"}, "service_cidr: "),
    ({"connectivity": "routed", "service_cidr": "fd00::/48"}, "is IPv6; write an IPv4 CIDR"),
    (
        {"connectivity": "routed", "service_cidr": "10.0.0.0/16", "service_prefix": 8},
        "service_prefix: write a number from 16 to 30",
    ),
]


@pytest.mark.parametrize(("change", "line"), FAULTS, ids=lambda item: str(item)[:40])
def test_flat_faults(change: dict[str, object], line: str):
    """Each fault is one line, with the section and what to write; the instance is refused."""
    found = NeutronPlugin.faults("lab", {**GOOD, **change}, DriverMode.FLAT)
    assert any(item.startswith(f"[lab] {line}") for item in found), found
    with pytest.raises(InvalidNetwork, match=r"\[lab\]"):
        Settings.parse("lab", {**GOOD, **change}, DriverMode.FLAT)


@pytest.mark.parametrize(("change", "line"), MANAGED_FAULTS, ids=lambda item: str(item)[:40])
def test_managed_faults(change: dict[str, object], line: str):
    """So in managed mode."""
    section = {**GOOD, "network": None, **change}
    found = NeutronPlugin.faults("lab", section, DriverMode.MANAGED)
    assert len(found) == 1
    assert line in found[0]


def test_good_sections_have_none():
    """A section as the documentation has it."""
    assert NeutronPlugin.faults("lab", GOOD, DriverMode.FLAT) == []
    assert NeutronPlugin.faults("lab", {**GOOD, "network": None}, DriverMode.MANAGED) == []


def test_secrets_are_not_shown():
    """Neither in what is printed of the settings, nor in a sample."""
    settings = Settings.parse("lab", GOOD, DriverMode.FLAT)
    assert "hush" not in repr(settings)
    secret = {item.dest for item in NeutronPlugin.options if item.secret}
    assert secret == {"password", "application_credential_secret"}


def test_it_is_a_plugin_that_reaches_out():
    """It has every verb of the contract, and can be asked by `abaca config check`."""
    verbs = {name for name in vars(NetworkPlugin) if not name.startswith("_")}
    assert verbs <= set(dir(NeutronPlugin))
    assert isinstance(NeutronPlugin, Reachable)


def test_libraries_are_imported_late():
    """Loading the plugin's class for a sample does not import openstacksdk."""
    code = "import sys, abaca.network.neutron; print('openstack' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"


def test_findings(cloud: Cloud):
    """Nothing against a good section; endpoint, network and rights are named."""
    network = cloud.network("10.60.0.0/24")
    flat = values(cloud.url, network=network["id"])
    managed = values(cloud.url)
    find = NeutronPlugin.findings
    assert find("net", flat, DriverMode.FLAT) == []
    assert find("net", managed, DriverMode.MANAGED) == []
    nobody = {**flat, "endpoint_override": f"http://127.0.0.1:{free_port()}"}
    assert "can't be reached" in find("net", nobody, DriverMode.FLAT)[0]
    (line,) = find("net", {**flat, "network": "nope"}, DriverMode.FLAT)
    assert line.startswith("[net] network: Neutron has no network 'nope'")
    poor = {**managed, "noauth_project_id": TENANT, "noauth_roles": "member,reader"}
    (line,) = find("net", poor, DriverMode.MANAGED)
    assert "may not see provider attributes" in line


def test_config_check_asks_neutron(neutron: NeutronServer, cloud: Cloud, tmp_path: Path):
    """`abaca config check` has a line for what Neutron lacks, and none with --offline."""
    cloud.network("10.61.0.0/24", name="lab-check")
    file = tmp_path / "abaca.conf"
    text = f"""\
[DEFAULT]
state_path = {tmp_path}/state
enabled_share_backends = one
[one]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = lab
[lab]
network_plugin = neutron
auth_type = none
endpoint_override = {neutron.url}
noauth_project_id = {TENANT}
owner_tag = site1
network = NAME
"""
    argv = [sys.executable, "-m", "abaca.cli.main", "config", "check", "--config-file", str(file)]

    def check(name: str, *more: str) -> tuple[int, str]:
        file.write_text(text.replace("NAME", name))
        done = subprocess.run(
            [*argv, *more], capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, said = check("lab-check")
    assert code == 0, said
    code, said = check("lab-gone")
    assert code == 1
    assert "[lab] network: Neutron has no network 'lab-gone'" in said
    assert check("lab-gone", "--offline")[0] == 0
