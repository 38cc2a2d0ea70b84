"""`admin_network_config_group`: what is understood, and what is refused with a clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from abaca.cli.config import understood
from abaca.config import Config, load
from abaca.errors import ConfigError
from support.command import abaca
from support.third_party import third_party

GOOD = """
[DEFAULT]
host = node1
state_path = /var/lib/abaca-test
enabled_share_backends = flat, managed
[flat]
share_driver = linux
driver_mode = flat_multi_svm
network_config_group = net
admin_network_config_group = admins
storage_path = /srv/flat
bridge_mappings = flat:br-flat, admin:br-admin
[managed]
share_driver = linux
driver_mode = managed_multi_svm
network_config_group = tenants
admin_network_config_group = admins
storage_path = /srv/managed
bridge_mappings = admin:br-admin
vxlan_local = 192.0.2.1
[net]
network_plugin = standalone
gateway = 10.10.0.1
mask = 24
[tenants]
network_plugin = standalone
connectivity = direct
[admins]
network_plugin = standalone
gateway = 10.66.0.1
mask = 24
"""


def read(folder: Path, text: str) -> Config:
    """Load a configuration from text."""
    file = folder / "abaca.conf"
    file.write_text(text)
    return load([file])


def test_backends_of_both_multi_modes_may_name_one(tmp_path: Path) -> None:
    """One section of the administrators' serves two backends, and the check says so."""
    config = read(tmp_path, GOOD)
    flat, managed = config.backends
    assert flat.admin_network is managed.admin_network
    assert flat.admin_network is not None
    assert flat.admin_network.section == "admins"
    told = [line for line in understood(config) if line.startswith("backend")]
    assert len(told) == 2
    assert all("admin network [admins]" in line for line in told)


def test_single_svm_has_none(tmp_path: Path) -> None:
    """In single_svm the option is not used, and a line says why."""
    text = GOOD.replace("driver_mode = flat_multi_svm", "driver_mode = single_svm")
    text = text.replace(
        "storage_path = /srv/flat", "export_addresses = 192.0.2.9\nstorage_path = /a"
    )
    config = read(tmp_path, text)
    assert config.backends[0].admin_network is None
    told = "[flat] admin_network_config_group: not used: single_svm has no helper"
    assert [line for line in config.notes if "admin_network" in line] == [told]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "= admins\nstorage_path = /srv/flat",
            "= admin\nstorage_path = /srv/flat",
            "[flat] admin_network_config_group: there is no section [admin]; did you mean admins?",
        ),
        (
            "= admins\nstorage_path = /srv/flat",
            "= net\nstorage_path = /srv/flat",
            (
                "[flat] admin_network_config_group: [net] is a network of tenants "
                "(network_config_group); name a section of its own"
            ),
        ),
        (
            "gateway = 10.66.0.1",
            "gateway = 10.10.0.1",
            (
                "[flat] admin_network_config_group: 10.10.0.0/24 of [admins] overlaps 10.10.0.0/24 "
                "of [net]; give administrators a network of their own"
            ),
        ),
        (
            "[admins]\nnetwork_plugin = standalone\ngateway = 10.66.0.1\nmask = 24",
            "[admins]\nnetwork_plugin = standalone\nconnectivity = direct",
            (
                "[admins] gateway: missing; write an address of the network, as in "
                '"gateway = 10.0.0.1"'
            ),
        ),
        (
            "bridge_mappings = flat:br-flat, admin:br-admin",
            "bridge_mappings = flat:br-flat",
            (
                "[flat] bridge_mappings has no wire for administrators: write bridge_mappings = "
                "flat:br-flat, admin:BRIDGE, with the bridge that is on their network"
            ),
        ),
        (
            "bridge_mappings = flat:br-flat, admin:br-admin",
            "bridge_mappings = flat:br-flat, admin:br-flat",
            (
                "[flat] bridge_mappings: flat and admin are both on br-flat: give administrators a "
                "bridge of their own"
            ),
        ),
    ],
)
def test_each_fault_says_what_to_write(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A wrong line gives this fault."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert expected in caught.value.faults


def test_the_sample_of_the_docs(tmp_path: Path) -> None:
    """What docs/admin-networks.md shows passes the check as it is, with an admin network each."""
    text = (Path(__file__).parents[2] / "docs/admin-networks.md").read_text()
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    config = read(tmp_path, "\n".join(lines))
    assert [item.mode.value for item in config.backends] == [
        "flat_multi_svm",
        "managed_multi_svm",
    ]
    for backend in config.backends:
        assert backend.admin_network is not None
        assert backend.admin_network.section == "admins"
    assert config.notes == ()


THIRD_PARTY = """
from abaca.drivers.fake import FakeDriver
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin

class ManagedOnly(FakePlugin):
    name = "managed_only"
    modes = frozenset({DriverMode.MANAGED})

class Plain(FakeDriver):
    name = "plain"
    admin_faults = None
"""


def test_plugin_and_driver_must_be_able_to(tmp_path: Path) -> None:
    """A plugin that serves no flat network, and a driver without admin networks, are refused."""
    env = third_party(
        tmp_path,
        THIRD_PARTY,
        share_drivers={"plain": "Plain"},
        network_plugins={"managed_only": "ManagedOnly"},
    )
    file = tmp_path / "abaca.conf"
    other = "[admins]\nnetwork_plugin = managed_only\n[others]\nnetwork_plugin = fake"
    text = GOOD.replace("[admins]\nnetwork_plugin = standalone", other)
    text = text.replace("[flat]\nshare_driver = linux", "[flat]\nshare_driver = plain")
    text = text.replace("= admins\nstorage_path = /srv/flat", "= others\nstorage_path = /srv/flat")
    file.write_text(text)
    argv = ("config", "check", "--offline", "--config-file", str(file))
    done = abaca(*argv, code=1, env=env)
    assert (
        "[flat] admin_network_config_group: the plain driver has no admin networks; remove it"
    ) in done.stderr
    assert (
        "[managed] admin_network_config_group: the managed_only plugin of [admins] can't serve "
        "admins, who need flat_multi_svm, only managed_multi_svm; name a section with another "
        "network_plugin"
    ) in done.stderr
