"""The configuration: what is understood, and every fault with what to write instead."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from abaca.config import AuthStrategy, Config, load
from abaca.config.sample import sample
from abaca.errors import ConfigError
from abaca.modes import DriverMode
from support.command import abaca
from support.configuration import FLAT, NET, SINGLE, text_of
from support.third_party import third_party

GOOD = text_of(
    {
        "DEFAULT": {
            "host": "node1",
            "state_path": "/var/lib/abaca-test",
            "enabled_share_backends": "one, flat",
        },
        "one": SINGLE,
        "flat": FLAT,
        "net": NET,
    }
)


def read(folder: Path, text: str, *, need_backends: bool = True) -> Config:
    """Load a configuration from text."""
    file = folder / "abaca.conf"
    file.write_text(text)
    return load([file], need_backends=need_backends)


def faults(folder: Path, text: str) -> list[str]:
    """Its faults; it must have some."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return caught.value.faults


def test_a_good_configuration_becomes_typed_values(tmp_path: Path) -> None:
    """Backends know driver, mode, network, host and zone; defaults are filled in."""
    config = read(tmp_path, GOOD)
    one, flat = config.backends
    assert (one.name, one.host, one.mode, one.network) == (
        "one",
        "node1@one",
        DriverMode.SINGLE,
        None,
    )
    assert flat.mode is DriverMode.FLAT
    assert flat.network is not None
    assert flat.network.plugin_name == "standalone"
    assert flat.network.values["gateway"] == "10.10.0.1"
    assert flat.availability_zone == config.service.availability_zone
    assert config.service.database_url == "sqlite:////var/lib/abaca-test/abaca.sqlite"
    assert config.api.auth_strategy is AuthStrategy.BUILTIN
    assert config.notes == ()


def test_two_backends_may_name_one_network(tmp_path: Path) -> None:
    """One section, read once: both backends have the same object."""
    text = GOOD.replace("= one, flat", "= flat, more") + (
        "[more]\nshare_driver = fake\ndriver_mode = flat_multi_svm\nnetwork_config_group = net\n"
    )
    first, second = read(tmp_path, text).backends
    assert first.network is second.network


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "driver_mode = single_svm\n",
            "",
            (
                "[one] driver_mode: missing; write driver_mode = "
                "single_svm, flat_multi_svm or managed_multi_svm"
            ),
        ),
        (
            "single_svm",
            "one_svm",
            (
                "[one] driver_mode: 'one_svm' is unknown; write driver_mode = "
                "single_svm, flat_multi_svm or managed_multi_svm"
            ),
        ),
        (
            "network_config_group = net\n",
            "",
            (
                "[flat] network_config_group: missing; flat_multi_svm needs a network section: "
                "write its name here, and network_plugin in it"
            ),
        ),
        (
            "network_config_group = net\n",
            "network_config_group = nett\n",
            "[flat] network_config_group: there is no section [nett]; did you mean net?",
        ),
        (
            "network_plugin = standalone",
            "network_plugin = standalon",
            (
                "[net] network_plugin: 'standalon' is not installed; did you mean standalone?; "
                "write fake, neutron, nova or standalone"
            ),
        ),
        (
            "share_driver = fake\ndriver_mode = single_svm",
            "share_driver = fakee\ndriver_mode = single_svm",
            "[one] share_driver: 'fakee' is not installed; did you mean fake?; write fake or linux",
        ),
        (
            "= one, flat",
            "= onee, flat",
            "[DEFAULT] enabled_share_backends: there is no section [onee]; did you mean one?",
        ),
        ("mask = 24", "masc = 24", "[net] masc: unknown option; did you mean mask?"),
        (
            "host = node1",
            "listn_port = 1",
            "[DEFAULT] listn_port: unknown option; did you mean listen_port?",
        ),
        (
            "host = node1",
            "gateway = 10.0.0.1",
            "[DEFAULT] gateway: unknown option; it belongs into [net]",
        ),
        ("[net]", "[quotta]\nshares = 1\n[net]", "[quotta] unknown section; did you mean quota?"),
        (
            "host = node1",
            "listen_port = many",
            (
                "[DEFAULT] listen_port: 'many' can't be read: "
                "invalid literal for int() with base 10: 'many'"
            ),
        ),
        (
            "host = node1",
            "auth_strategy = buildin",
            (
                "[DEFAULT] auth_strategy: 'buildin' is unknown; "
                "write builtin, keystone, http_basic or none"
            ),
        ),
        (
            "gateway = 10.10.0.1",
            "gateway = 10.10.0.1\nallowed_ip_ranges = 10.11.0.1-10.11.0.9",
            (
                "[net] allowed_ip_ranges: 10.11.0.1-10.11.0.9 is not inside 10.10.0.0/24; "
                "write addresses of 10.10.0.1-10.10.0.254"
            ),
        ),
        (
            "gateway = 10.10.0.1",
            "gateway = 10.10.0.1\nallowed_ip_ranges = 10.10.0.1-10.10.0.9",
            (
                "[net] allowed_ip_ranges: 10.10.0.1-10.10.0.9 has the gateway 10.10.0.1 inside; "
                "write 10.10.0.2-10.10.0.9"
            ),
        ),
        (
            "host = node1",
            "listen_address = 0.0.0.0",
            (
                "[DEFAULT] listen_address: passwords would cross the network in clear on 0.0.0.0; "
                "write 127.0.0.1, or tls_cert and tls_key, or trusted_proxy"
            ),
        ),
        (
            "host = node1",
            "listen_address = ::\nauth_strategy = none",
            (
                "[DEFAULT] listen_address: :: would let everybody in (auth_strategy = none); "
                "write 127.0.0.1, or another auth_strategy"
            ),
        ),
        (
            "host = node1",
            "tls_cert = /nowhere/cert.pem",
            "[DEFAULT] tls_key: missing, but tls_cert is set; write both or none",
        ),
        (
            "host = node1",
            "policy_file = /nowhere/policy.yaml",
            "[DEFAULT] policy_file: /nowhere/policy.yaml: no such file",
        ),
        (
            "host = node1",
            "auth_strategy = keystone",
            "[DEFAULT] auth_strategy: keystone needs a section [keystone_authtoken]",
        ),
        (
            "driver_mode = single_svm",
            "driver_handles_share_servers = True",
            (
                "[one] driver_handles_share_servers: True does not say which mode; "
                "write driver_mode = flat_multi_svm or managed_multi_svm"
            ),
        ),
    ],
)
def test_each_fault_says_what_to_write(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """One mistake gives a line that names section and option, and what is right."""
    assert old in GOOD
    assert expected in faults(tmp_path, GOOD.replace(old, new, 1))


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Three mistakes in three sections are three lines."""
    text = GOOD.replace("single_svm", "one", 1).replace("mask", "masc").replace("host", "hosst")
    assert len([line for line in faults(tmp_path, text) if "did you mean" in line]) == 2
    assert any(line.startswith("[one] driver_mode") for line in faults(tmp_path, text))


THIRD_PARTY = """
from abaca.drivers.fake import FakeDriver
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin

class Single(FakeDriver):
    name = "single_only"
    modes = frozenset({DriverMode.SINGLE})

class Managed(FakePlugin):
    name = "managed_only"
    modes = frozenset({DriverMode.MANAGED})
"""


def test_modes_that_are_not_served(tmp_path: Path) -> None:
    """A driver's or a plugin's that does not do the mode: the line says which ones it does."""
    env = third_party(
        tmp_path,
        THIRD_PARTY,
        share_drivers={"single_only": "Single"},
        network_plugins={"managed_only": "Managed"},
    )
    text = GOOD.replace("= one, flat", "= one, flat, fine").replace("standalone", "managed_only")
    text = text.replace(
        "fake\ndriver_mode = single_svm", "single_only\ndriver_mode = flat_multi_svm"
    )
    text = text.partition("gateway")[0]
    text += "[fine]\nshare_driver = single_only\ndriver_mode = single_svm\n"
    file = tmp_path / "abaca.conf"
    file.write_text(text)
    argv = ("config", "check", "--offline", "--config-file", str(file))
    done = abaca(*argv, code=1, env=env)
    assert done.stderr.splitlines()[:-1] == [
        (
            "[one] driver_mode: the single_only driver does not do flat_multi_svm; "
            "write driver_mode = single_svm"
        ),
        (
            "[flat] network_config_group: the managed_only plugin of [net] can't serve "
            "flat_multi_svm, only managed_multi_svm; name a section with another network_plugin"
        ),
    ]


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    """A file that isn't there, and a line that is no option."""
    with pytest.raises(ConfigError) as caught:
        load([tmp_path / "none.conf"])
    assert caught.value.faults == [f"{tmp_path}/none.conf: no such file or directory"]
    broken = tmp_path / "broken.conf"
    broken.write_text("[DEFAULT]\nhost\n")
    with pytest.raises(ConfigError) as caught:
        load([broken])
    assert caught.value.faults[0].startswith(f"{broken}:2: ")


def test_later_files_and_folders_win(tmp_path: Path) -> None:
    """--config-dir adds its *.conf in order of name, over --config-file."""
    base, folder = tmp_path / "base.conf", tmp_path / "more"
    base.write_text(GOOD)
    folder.mkdir()
    (folder / "10.conf").write_text("[DEFAULT]\nhost = second\nlisten_port = 1\n")
    (folder / "20.conf").write_text("[DEFAULT]\nhost = third\n")
    (folder / "ignored.txt").write_text("[nonsense]\n")
    config = load([base], [folder])
    assert (config.service.host, config.api.listen_port) == ("third", 1)


def test_storage_paths_must_not_overlap(tmp_path: Path) -> None:
    """Two backends in one directory, or one inside the other, would take each other's images."""
    text = """
[DEFAULT]
enabled_share_backends = a, b
[a]
share_driver = linux
driver_mode = single_svm
storage_path = /srv/x
export_addresses = 192.0.2.1
[b]
share_driver = linux
driver_mode = single_svm
storage_path = /srv/x/y
export_addresses = 192.0.2.2
"""
    assert faults(tmp_path, text) == [
        "[b] storage_path: /srv/x/y overlaps /srv/x of [a]; give each backend its own"
    ]


def test_the_network_part_of_a_manila_conf_loads(tmp_path: Path) -> None:
    """Old names are read where they mean the same, each with a note, and not twice in silence."""
    text = """
[DEFAULT]
enabled_share_backends = a
osapi_share_listen_port = 1234
transport_url = rabbit://nowhere
quota_shares = 7
[a]
share_driver = fake
driver_handles_share_servers = False
backend_availability_zone = north
[b]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = n
[n]
network_api_class = manila.network.standalone_network_plugin.StandaloneNetworkPlugin
standalone_network_plugin_gateway = 10.0.0.1
standalone_network_plugin_mask = 255.255.255.0
standalone_network_plugin_allowed_ip_ranges = 10.0.0.10-10.0.0.20
"""
    config = read(tmp_path, text.replace("= a\n", "= a, b\n", 1))
    assert config.backends[0].mode is DriverMode.SINGLE
    assert config.backends[0].availability_zone == "north"
    assert config.networks["n"].values["mask"] == "255.255.255.0"
    assert config.networks["n"].plugin_name == "standalone"
    assert config.api.listen_port == 1234
    assert config.api.quotas["shares"] == 7  # type: ignore[index]
    assert "[n] standalone_network_plugin_gateway: read as gateway" in config.notes
    assert (
        "[a] driver_handles_share_servers: False: read as driver_mode = single_svm" in config.notes
    )
    assert "[DEFAULT] transport_url: not used: there is no message broker" in config.notes
    both = text.replace("[n]", "[n]\ngateway = 10.0.0.1").replace("= a\n", "= a, b\n", 1)
    assert any("is another name of gateway" in line for line in faults(tmp_path, both))


def test_what_is_not_enabled_is_noted_and_not_checked(tmp_path: Path) -> None:
    """A section of a backend that is switched off may stay in the file."""
    config = read(tmp_path, GOOD + "[off]\nshare_driver = other\nanything = 1\n")
    assert config.notes == ("[off] not used: enabled_share_backends does not name it",)


def test_an_api_needs_no_backends(tmp_path: Path) -> None:
    """A manager without backends is a fault, an API alone is not."""
    assert read(tmp_path, "[DEFAULT]\nhost = a\n", need_backends=False).backends == ()
    assert faults(tmp_path, "[DEFAULT]\nhost = a\n") == [
        "[DEFAULT] enabled_share_backends: missing; write the names of your backend sections"
    ]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - nothing listens
def test_behind_a_trusted_proxy(tmp_path: Path, address: str) -> None:
    """Where a proxy does the encryption, the API may listen for it on any address."""
    text = GOOD.replace("host = node1", f"listen_address = {address}")
    assert any(line.startswith("[DEFAULT] listen_address:") for line in faults(tmp_path, text))
    good = text.replace("[one]", "trusted_proxy = 192.0.2.1, 192.0.2.2\n[one]")
    api = read(tmp_path, good).api
    assert (api.listen_address, api.trusted_proxy) == (address, ("192.0.2.1", "192.0.2.2"))


def test_tls_files_must_fit(tmp_path: Path) -> None:
    """A certificate with another's key is found before anybody connects."""
    cert, key, other = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "other.pem"
    for target, where in ((key, cert), (other, tmp_path / "unused.pem")):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-keyout",
                str(target),
                "-out",
                str(where),
            ],
            check=True,
            capture_output=True,
            timeout=30,
        )
    good = GOOD.replace("host = node1", f"listen_address = ::\ntls_cert = {cert}\ntls_key = {key}")
    assert read(tmp_path, good).api.tls_cert == cert
    wrong = good.replace(str(key), str(other))
    assert any(line.startswith("[DEFAULT] tls_cert:") for line in faults(tmp_path, wrong))


def test_the_sample_passes_and_has_every_option(tmp_path: Path) -> None:
    """What `abaca config sample` prints is a configuration, with third parties' options too."""
    text = sample()
    config = read(tmp_path, text)
    assert [backend.name for backend in config.backends] == ["cluster1", "cluster2"]
    assert config.notes == ()
    for option in ("listen_address", "lease_seconds", "vxlan_local", "allowed_ip_ranges", "shares"):
        assert f"\n{option} = " in text or f"\n#{option} =" in text
    assert "#share_driver = fake" in text
    assert "#network_plugin = fake" in text


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """A password in a URL is in no repr and no fault."""
    text = GOOD + "[database]\nconnection = mysql+pymysql://u:hunter2@db/abaca\n"
    assert "hunter2" not in repr(read(tmp_path, text))
    bad = GOOD + "[database]\nconnection = oracle://u:hunter2@db/abaca\n"
    assert not any("hunter2" in line for line in faults(tmp_path, bad))
