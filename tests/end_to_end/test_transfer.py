"""A share is handed to another project, with its data and snapshots, between file systems."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from abaca.demo import nfs

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.usefixtures("databases"),
]


def test_a_share_is_another_projects(site: Any) -> None:
    """Its new project reads what the old one wrote, and reverts it; the old one is cut off."""
    alice, bob = site.clients["alice"], site.clients["bob"]
    share = site.settled(site.share("site"))
    kept = site.settled(site.share("site"))
    for item in (share, kept):
        site.allow(item, site.alice.address("site"))
    export, other = site.export(share), site.export(kept)
    wrote = nfs.write(site.alice, export, "kept", secrets.token_bytes(2000))
    stays = nfs.write(site.alice, other, "kept", secrets.token_bytes(2000))
    snapshot = site.settled(alice.share_snapshots.create(share))
    later = nfs.write(site.alice, export, "later", secrets.token_bytes(2000))

    offer = alice.transfers.create(share.id)
    assert alice.shares.get(share.id).status == "awaiting_transfer"
    bob.transfers.accept(offer.id, offer.auth_key, clear_access_rules=True)
    site.until(lambda: not site.tasks(), "the share has moved")
    site.allow(bob.shares.get(share.id), site.bob.address("site"), project="bob")
    assert site.export(bob.shares.get(share.id), "bob") == export
    assert nfs.read(site.bob, export, "later") == later
    assert nfs.read(site.bob, export, "kept") == wrote
    nfs.refusal(site.alice, export)
    assert nfs.read(site.alice, other, "kept") == stays

    bob.shares.revert_to_snapshot(share.id, snapshot.id)
    site.settled(bob.shares.get(share.id))
    assert nfs.read(site.bob, export, "kept") == wrote
    assert not nfs.can_read(site.bob, export, "later")
    site.clear()
