"""The storage host reboots: everything but images and database is gone."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from abaca.demo import leftovers, nfs

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.usefixtures("databases"),
]
WHERE = {"site": "site", "cluster1": "flat1", "direct": "direct", "vlan": "vlan"}
"""Backend and network of the machine; the last is a VLAN by Open vSwitch."""


def differences(site: Any) -> list[Any]:
    """What `abaca audit` finds on the storage host."""
    return list(json.loads(site.service.abaca("audit", "--pause", "1", "--format", "json")))


def test_same_exports_same_data_after_a_reboot(site: Any) -> None:
    """In all three modes the same export locations serve the same data, to the same machines."""
    wrote = {}
    for backend, network in WHERE.items():
        share = site.settled(site.share(backend))
        site.allow(share, site.alice.address(network))
        export = site.export(share)
        wrote[export] = nfs.write(site.alice, export, "kept", secrets.token_bytes(2000))
    site.until(lambda: not site.tasks(), "no task is left")
    assert differences(site) == []
    site.service.kill()
    leftovers.reboot(site.root)
    assert not leftovers.processes(site.root)
    site.service.start()
    shares = site.clients["alice"].shares.list()
    assert {site.export(share) for share in shares} == set(wrote)
    for export, checksum in wrote.items():
        site.until(lambda export=export: nfs.can_read(site.alice, export, "kept"), export)
        assert nfs.read(site.alice, export, "kept") == checksum
        nfs.refusal(site.bob, export)
    site.until(lambda: differences(site) == [], "what should be is there, and nothing else")
    site.clear()
    assert differences(site) == []
