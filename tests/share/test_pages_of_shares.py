"""Pages of the list of shares: one after the other they are the list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from abaca.db import shown_shares
from abaca.db.shown_shares import SORT_KEYS, ShareQuery
from abaca.errors import BadRequest
from abaca.model.page import Page
from support.share_world import BLUE, World

pytestmark = pytest.mark.every_database
QUERY = ShareQuery(project_id="red")


def ids(world: World, page: Page) -> list[str]:
    """Of the shares on the page."""
    with world.db.read() as tx:
        return [item.id for item in shown_shares.find_short(tx, QUERY, page).items]


def test_pages_follow_each_other_by_every_key(world: World) -> None:
    """In both directions, where many have the same value or none too: each share once."""
    for name in ("b", "a", None, "b", "a"):
        world.create(name=name, size=2 if name == "a" else 1)
    for key in SORT_KEYS:
        for descending in (False, True):
            whole = Page(sort_key=key, descending=descending)
            wanted = ids(world, whole)
            walked: list[str] = []
            for _ in range(4):
                last = walked[-1] if walked else None
                walked += ids(world, replace(whole, limit=2, marker=last))
            assert walked == wanted, whole
            assert len(set(wanted)) == 5, whole


def test_what_is_not_in_the_list_is_no_marker(world: World) -> None:
    """Another project's share is as unknown as one that is not there."""
    world.create()
    other = world.create(BLUE)
    for marker in (other.id, "nothing"):
        with pytest.raises(BadRequest, match="marker"):
            ids(world, Page(marker=marker))
