"""Wrong sections of the linux driver are told in words that say what to write."""

from __future__ import annotations

import pytest

from abaca.drivers.linux import LinuxDriver
from abaca.modes import DriverMode

SINGLE, FLAT, MANAGED = DriverMode.SINGLE, DriverMode.FLAT, DriverMode.MANAGED
GOOD: dict[DriverMode, dict[str, object]] = {
    SINGLE: {"storage_path": "/srv/x", "export_addresses": ["192.0.2.1"]},
    FLAT: {"storage_path": "/srv/x", "bridge_mappings": ["flat:br0"]},
    MANAGED: {"storage_path": "/srv/x", "vxlan_local": "192.0.2.1"},
}


@pytest.mark.parametrize("mode", list(GOOD))
def test_good_section_has_no_fault(mode: DriverMode) -> None:
    """The least that each mode needs is enough."""
    assert LinuxDriver.faults("one", GOOD[mode], mode) == []


@pytest.mark.parametrize(
    ("mode", "change", "words"),
    [
        (FLAT, {"storage_path": None}, "storage_path = /srv/abaca/one"),
        (FLAT, {"storage_path": "srv/x"}, "relative"),
        (FLAT, {"bridge_mappings": []}, "bridge_mappings = flat:BRIDGE"),
        (FLAT, {"bridge_mappings": ["flat"]}, "flat is no pair"),
        (FLAT, {"export_addresses": ["192.0.2.1"]}, "remove it"),
        (FLAT, {"nfs_versions": ["3"]}, "nfs_versions = 3, 4"),
        (SINGLE, {"export_addresses": []}, "export_addresses = 192.0.2.10"),
        (SINGLE, {"export_addresses": ["here"]}, "here is not an IP address"),
        (SINGLE, {"export_addresses": ["::"]}, "can't be mounted from"),
        (MANAGED, {"vxlan_local": "x"}, "x is not an IP address"),
        (MANAGED, {"vxlan_group": "239.0.0.1"}, "vxlan_group needs vxlan_device"),
    ],
)
def test_fault_says_what_to_write(mode: DriverMode, change: dict[str, object], words: str) -> None:
    """Each wrong or missing value is one line that names the section."""
    lines = LinuxDriver.faults("one", {**GOOD[mode], **change}, mode)
    assert any(words in line for line in lines), lines
    assert all(line.startswith("[one] ") for line in lines)
