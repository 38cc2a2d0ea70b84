"""The storage host reboots: everything but images and database is gone."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from abaca.demo import leftovers, nfs

pytestmark = [pytest.mark.dataplane, pytest.mark.slow, pytest.mark.xdist_group("reboot")]
WHERE = {"site": "site", "cluster1": "flat1", "direct": "direct"}


def test_same_exports_same_data_after_a_reboot(site: Any) -> None:
    """In all three modes the same export locations serve the same data, to the same machines."""
    wrote = {}
    for backend, network in WHERE.items():
        share = site.settled(site.share(backend))
        site.allow(share, site.alice.address(network))
        export = site.export(share)
        wrote[export] = nfs.write(site.alice, export, "kept", secrets.token_bytes(2000))
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
    site.clear()
