"""A share as an answer shows it: from what was just made, and from the database."""

from __future__ import annotations

import pytest

from abaca.db import share_types, shown_shares
from abaca.model.shown_share import read_share, shown, told
from support.share_world import World


@pytest.mark.parametrize(("kind", "network"), [("gold", None), ("silver", "red_net")])
def test_what_was_made_is_shown_as_it_is_read(world: World, kind: str, network: str | None) -> None:
    """Field for field: the answer to a POST is that of the GET after it."""
    share = world.create(
        share_type=kind,
        share_network_id=network and world.names[network],
        name="n",
        description="d",
        metadata={"a": "b"},
    )
    with world.db.read() as tx:
        share_type = share_types.get(tx, share.share_type_id)
        assert share_type is not None
        found = shown_shares.get(tx, share.id)
    assert found is not None
    made = shown(share, share_type)
    assert read_share(found.text) == made
    assert read_share(told(made).text) == made
    assert (found.id, found.project_id) == (share.id, share.project_id)
