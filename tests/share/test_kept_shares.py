"""Shares that are shown without being read again: never as they were before a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from sqlalchemy import event

from abaca.db import share_instances, share_metadata, share_transfers, share_types, shown_shares
from abaca.db import shares as rows
from abaca.db.database import Database, Tx
from abaca.db.shown_shares import ShareQuery
from abaca.model.page import Page
from abaca.model.share import Share
from abaca.model.shown_share import ToldShare, read_share
from abaca.states import ShareStatus
from support.share_world import World

pytestmark = pytest.mark.every_database

Change = Callable[[Tx, Share], object]
CHANGES: Final[dict[str, Change]] = {
    "changed": lambda tx, share: share_instances.change(tx, share.instance, {"progress": "52%"}),
    "name": lambda tx, share: rows.change(tx, share.id, name="another"),
    "public": lambda tx, share: rows.change(tx, share.id, is_public=True),
    "status": lambda tx, share: rows.change_instance(
        tx, share.instance.id, status=ShareStatus.EXTENDING
    ),
    "settled": lambda tx, share: share_instances.settle(tx, share.instance.id, {"progress": "50%"}),
    "settled with rules": lambda tx, share: share_instances.settle(
        tx, share.instance.id, {"progress": "51%"}, rules=True
    ),
    "resized": lambda tx, share: share_instances.resized(tx, share.id, 17),
    "replaced": lambda tx, share: share_instances.replaced(tx, share.id, None),
    "metadata": lambda tx, share: share_metadata.replace(tx, share.id, {"a": "b", "c": "d"}),
    "metadata replaced": lambda tx, share: share_metadata.replace(tx, share.id, {"a": "c"}),
    "metadata removed": lambda tx, share: share_metadata.remove(tx, share.id, "a"),
    "handed over": lambda tx, share: share_transfers.hand_over(tx, share.id, "red", "another"),
    "type": lambda tx, share: share_types.change(tx, share.share_type_id, {"name": "other"}),
    "extra specs": lambda tx, share: share_types.set_extra_specs(
        tx, share.share_type_id, {"colour": "red"}
    ),
    "extra spec": lambda tx, share: share_types.unset_extra_spec(tx, share.share_type_id, "colour"),
}


def listed(db: Database) -> tuple[ToldShare, ...]:
    """All of the project's."""
    with db.read() as tx:
        return shown_shares.find(
            tx, ShareQuery(project_id="red"), Page(), with_locations=False
        ).items


def test_each_change_is_seen_at_once(world: World) -> None:
    """After any change a list says what one says that has nothing at hand."""
    share = world.create(share_network_id=world.names["red_net"], share_type="silver")
    before = listed(world.db)
    for name, change in CHANGES.items():
        with world.db.write() as tx:
            change(tx, share)
        now = listed(world.db)
        other = Database(world.db.engine.url.render_as_string(hide_password=False))
        assert now == listed(other), name
        other.close()
        assert now != before, name
        before = now


def test_what_has_not_changed_is_not_read_again(world: World) -> None:
    """One statement, which says that nothing has; one share that has is read alone."""
    share, _ = world.create(), world.create(metadata={"a": "b"})
    first = listed(world.db)
    said: list[str] = []
    event.listen(world.db.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    assert listed(world.db) == first
    assert len([text for text in said if text.startswith("SELECT")]) == 1
    with world.db.write() as tx:
        rows.change(tx, share.id, name="another")
    said.clear()
    names = {read_share(item.text).name for item in listed(world.db)}
    assert names == {"another", None}
    assert len([text for text in said if text.startswith("SELECT")]) == 3


def test_what_is_not_committed_is_not_kept(world: World) -> None:
    """A change that was undone is seen by nobody, though the next one is counted the same."""
    share = world.create()

    def change_and_fail() -> None:
        with world.db.write() as tx:
            rows.change(tx, share.id, name="undone")
            seen = shown_shares.get(tx, share.id)
            assert seen is not None
            assert read_share(seen.text).name == "undone"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    with world.db.write() as tx:
        rows.change(tx, share.id, name="done")
    (found,) = listed(world.db)
    assert read_share(found.text).name == "done"
