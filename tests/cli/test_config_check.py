"""`abaca config check` looks at the host, and at sections that share a wire."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from abaca.cli.config import found_outside
from abaca.config import load
from abaca.drivers.linux.prepare import PROGRAMS, SERVER_PROGRAMS
from abaca.errors import ConfigError
from abaca.linux.command import PACKAGES
from support.command import ABACA, abaca
from support.configuration import NET, configuration


def site(folder: Path, *, second: str = "flat:br-b", ranges: str = "10.10.0.50-10.10.0.99") -> Path:
    """Two clusters of the linux driver, each with a flat network of its own."""
    backends = {
        name: {
            "share_driver": "linux",
            "driver_mode": "flat_multi_svm",
            "network_config_group": network,
            "storage_path": folder / name,
            "bridge_mappings": wire,
        }
        for name, network, wire in (("one", "net1", "flat:br-a"), ("two", "net2", second))
    }
    first = {**NET, "allowed_ip_ranges": "10.10.0.10-10.10.0.60"}
    return configuration(folder, backends, net1=first, net2={**NET, "allowed_ip_ranges": ranges})


def test_overlapping_ranges_on_one_bridge_are_refused(tmp_path: Path) -> None:
    """Both sections, the ranges and the bridge are named; no service starts with it."""
    with pytest.raises(ConfigError) as caught:
        load((site(tmp_path, second="flat:br-a"),), ())
    (fault,) = caught.value.faults
    assert fault == (
        "[net2] allowed_ip_ranges: 10.10.0.50-10.10.0.99 overlaps 10.10.0.10-10.10.0.60 of "
        "[net1], and both are on br-a; give each its own"
    )


@pytest.mark.parametrize(
    ("second", "ranges"),
    [("flat:br-b", "10.10.0.50-10.10.0.99"), ("flat:br-a", "10.10.0.61-10.10.0.99")],
)
def test_the_same_addresses_elsewhere_are_fine(tmp_path: Path, second: str, ranges: str) -> None:
    """On another bridge, or beside each other on one."""
    assert load((site(tmp_path, second=second, ranges=ranges),), ()).backends


def test_two_backends_with_one_section_are_fine(tmp_path: Path) -> None:
    """They share its addresses, which are each given once."""
    file = site(tmp_path, second="flat:br-a")
    file.write_text(
        file.read_text().replace("network_config_group = net2", "network_config_group = net1")
    )
    assert len(load((file,), ()).backends) == 2


def test_what_the_host_lacks_is_told(tmp_path: Path) -> None:
    """Bridges that are not there, by section; with --offline nobody looks."""
    file = site(tmp_path)
    found = found_outside(load((file,), ()))
    if os.geteuid() == 0:
        assert any(line.startswith("[one]") and "br-a" in line for line in found), found
        assert any(line.startswith("[two]") and "br-b" in line for line in found), found
    check = ("config", "check", "--config-file", str(file))
    assert abaca(*check, code=1).stderr.splitlines() == [*found, f"{len(found)} faults"]
    assert abaca(*check, "--offline").stderr == ""
    assert not (tmp_path / "state").exists()


def test_missing_privileges_are_told(tmp_path: Path) -> None:
    """Run by nobody, it says that root is needed, and still names the sections."""
    if os.geteuid() != 0:
        pytest.fail("this test drops root's privileges, so it needs them")
    program = (
        "import encodings.ascii, encodings.idna, os, sys; from pathlib import Path;"
        "from abaca.cli.config import found_outside; from abaca.config import load;"
        "import abaca.drivers.linux, abaca.network.standalone, abaca.service.auth;"
        "config = load((Path(sys.argv[1]),), ()); os.setgid(65534); os.setuid(65534);"
        "print('\\n'.join(found_outside(config)))"
    )
    argv = [sys.executable, "-c", program, str(site(tmp_path))]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
    for name in ("one", "two"):
        assert f"[{name}] the linux driver needs root" in done.stdout
        assert f"[{name}] this process can't make network namespaces" in done.stdout


def test_missing_programs_come_with_their_package(tmp_path: Path) -> None:
    """On a host without those of /usr/sbin, they are named with the Debian package to install."""
    argv = [ABACA, "config", "check", "--config-file", str(site(tmp_path))]
    hidden = ["sh", "-c", 'mount -t tmpfs none /usr/sbin && exec "$@"', "sh", *argv]
    done = subprocess.run(
        ["unshare", "--mount", *hidden], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    for program, package in (("nft", "nftables"), ("mkfs.btrfs", "btrfs-progs")):
        line = f"[one] {program} was not found: install the Debian package(s) {package}"
        assert line in done.stderr.splitlines()


def test_every_program_needed_has_a_package() -> None:
    """So that what is missing can always be installed by name."""
    assert set(PROGRAMS + SERVER_PROGRAMS) <= set(PACKAGES)
