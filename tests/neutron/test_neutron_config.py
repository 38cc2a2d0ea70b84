"""What can be wrong with a Neutron section: on paper, and when Neutron is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner

from abaca.cli.main import main
from abaca.errors import InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.neutron_config import Settings
from abaca.network.plugin import NetworkPlugin, Reachable
from abaca.testing.ports import free_port
from support.fault_proxy import Fault, FaultProxy, fault_proxy
from support.neutron.server import NeutronServer
from support.neutron.world import TENANT, Cloud, values

pytestmark = pytest.mark.timeout(300)

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


ROUTED = {"connectivity": "routed", "service_cidr": "10.254.0.0/16"}
EXTENSIONS: dict[str, tuple[DriverMode, dict[str, object], str]] = {
    "standard-attr-timestamp": (DriverMode.FLAT, {}, "orphaned ports have no age"),
    "binding": (DriverMode.FLAT, {"bind_ports": True}, "write bind_ports = false, or enable it"),
    "provider": (DriverMode.MANAGED, {}, "what a tenant's network is on the wire; enable it"),
    "router": (DriverMode.MANAGED, ROUTED, "write direct, or enable it"),
    "standard-attr-description": (DriverMode.MANAGED, ROUTED, "knows its networks by theirs"),
    "port-security": (DriverMode.FLAT, {"port_security": False}, "remove port_security, or enable"),
}
"""Which sections need it, and what is said where it is missing."""


def without(proxy: FaultProxy, *aliases: str) -> AbstractContextManager[None]:
    """Inside, the Neutron behind the proxy has no such extensions."""
    there = Cloud(proxy.upstream).call("GET", "/extensions")["extensions"]
    kept = [item for item in there if item["alias"] not in aliases]
    assert len(kept) == len(there) - len(aliases)
    answer = Fault(status=200, body=json.dumps({"extensions": kept}).encode())
    return proxy.failing(answer, "GET /v2.0/extensions")


@pytest.mark.parametrize("alias", EXTENSIONS)
def test_a_missing_extension(cloud: Cloud, alias: str):
    """One line says which and what to do, where the section needs it; elsewhere none."""
    mode, needs, text = EXTENSIONS[alias]
    name = str(cloud.network("10.64.0.0/24")["id"])
    with fault_proxy(cloud.url) as proxy, without(proxy, alias):
        flat = values(proxy.url, network=name)
        section = {**(flat if mode is DriverMode.FLAT else values(proxy.url)), **needs}
        (line,) = NeutronPlugin.findings("net", section, mode)
        assert line.startswith(f"[net] Neutron has no extension {alias}: ")
        assert text in line
        if alias != "standard-attr-timestamp":
            assert NeutronPlugin.findings("net", flat, DriverMode.FLAT) == []


def test_a_neutron_without_routers_and_port_security(other_cloud: Cloud):
    """What a real one lacks is told; a section that needs neither has nothing against it."""
    plain = values(other_cloud.url)
    assert NeutronPlugin.findings("net", plain, DriverMode.MANAGED) == []
    section = {**plain, **ROUTED, "port_security": True}
    found = NeutronPlugin.findings("net", section, DriverMode.MANAGED)
    assert [line.partition(":")[0] for line in found] == [
        "[net] Neutron has no extension router",
        "[net] Neutron has no extension port-security",
    ]


def test_config_check_tells_all_that_is_missing(cloud: Cloud, tmp_path: Path):
    """`abaca config check` fails, with a line for each extension that is missing."""
    file = tmp_path / "abaca.conf"
    missing = ["binding", "provider", "router", "port-security"]
    with fault_proxy(cloud.url) as proxy, without(proxy, *missing):
        section = values(proxy.url, port_security=False, **ROUTED)
        file.write_text(
            f"[DEFAULT]\nstate_path = {tmp_path}/state\nenabled_share_backends = one\n"
            "[one]\nshare_driver = fake\ndriver_mode = managed_multi_svm\n"
            "network_config_group = net\n[net]\nnetwork_plugin = neutron\n"
            + "".join(f"{name} = {value}\n" for name, value in section.items())
        )
        done = CliRunner().invoke(main, ["config", "check", "--config-file", str(file)])
    assert done.exit_code == 1
    told = [line for line in done.output.splitlines() if line.startswith("[net] ")]
    assert len(told) == len(missing)
    assert all(
        line.startswith(f"[net] Neutron has no extension {alias}: ")
        for alias, line in zip(missing, told, strict=True)
    )


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
