"""Resizing, deleting, access rules and snapshots: what rows and tasks they leave."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, func, select

from abaca.context import Version
from abaca.db import access_rules as rule_rows
from abaca.db import share_networks, shares, shown_shares
from abaca.db.shown_shares import ShareQuery
from abaca.db.tables import access_rules as rule_table
from abaca.db.tables import share_networks as network_table
from abaca.errors import BadRequest, Conflict, Forbidden, NotFound
from abaca.model.page import Page
from abaca.model.share import Share
from abaca.model.shown_share import read_share
from abaca.model.snapshot import Snapshot
from abaca.share import access_rules, resize, snapshots
from abaca.share import shares as use_case
from abaca.share.snapshots import NewSnapshot
from abaca.states import AccessRulesStatus, AccessState, ShareStatus, SnapshotStatus
from support.share_world import ADMIN, RED, World, caller


def finished(world: World, share: Share, **values: object) -> Share:
    """The share as a manager leaves it."""
    facts = {"status": ShareStatus.AVAILABLE, "made": True, **values}
    with world.db.write() as tx:
        shares.change_instance(tx, share.instance.id, **facts)
    return read(world, share.id)


def read(world: World, share_id: str) -> Share:
    """The share now."""
    with world.db.read() as tx:
        found = shares.get(tx, share_id)
    assert found is not None
    return found


def snapshot_of(world: World, share: Share) -> Snapshot:
    """A snapshot as a manager leaves it."""
    with world.db.write() as tx:
        taken = snapshots.create(tx, RED, NewSnapshot(share_id=share.id))
        snapshots.reset_status(tx, ADMIN, taken.id, SnapshotStatus.AVAILABLE)
        return taken


def allow(world: World, share: Share, access_to: str, level: str | None = None) -> str:
    """A rule's ID."""
    with world.db.write() as tx:
        return access_rules.allow(
            tx,
            RED,
            share.id,
            access_type="ip",
            access_to=access_to,
            access_level=level,
            metadata={},
        ).id


@pytest.mark.every_database
def test_extend_records_what_is_wanted(world: World) -> None:
    """The share keeps its size until the manager is done, and is queued once."""
    share = finished(world, world.create())
    for size in (4, 6):
        with world.db.write() as tx:
            resize.extend(tx, RED, share.id, size)
    now = read(world, share.id)
    assert (now.size, now.instance.wanted_size) == (1, 6)
    assert now.instance.status is ShareStatus.EXTENDING
    assert len(world.tasks()) == 1


def test_shrink_back_while_extending(world: World) -> None:
    """Another size during live work is accepted; the last one counts."""
    share = finished(world, world.create(size=2))
    with world.db.write() as tx:
        resize.extend(tx, RED, share.id, 9)
        resize.shrink(tx, RED, share.id, 3)
    now = read(world, share.id)
    assert (now.instance.wanted_size, now.instance.status) == (3, ShareStatus.SHRINKING)


@pytest.mark.every_database
def test_parallel_extends_never_overshoot_the_quota(world: World) -> None:
    """What was granted to others counts, though no share has grown yet."""
    made = [finished(world, world.create(size=1)) for _ in range(8)]

    def grow(share: Share) -> bool:
        with world.db.write() as tx:
            try:
                resize.extend(tx, RED, share.id, 300)
            except Forbidden:
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        granted = sum(threads.map(grow, made))
    assert granted == 3  # 3 times 300 and 5 times 1 are 905 of 1000


@pytest.mark.parametrize("status", list(ShareStatus))
def test_delete_is_accepted_in_every_state(world: World, status: ShareStatus) -> None:
    """Whatever is going on, a delete supersedes it."""
    share = finished(world, world.create(), status=status)
    with world.db.write() as tx:
        use_case.delete(tx, RED, share.id)
    assert read(world, share.id).instance.status is ShareStatus.DELETING
    assert [task[1] for task in world.tasks()] == [share.instance.id]


def test_delete_of_what_was_never_placed(world: World) -> None:
    """Its rows go at once; a share network that waited for it goes with it."""
    network = world.names["red_net"]
    share = world.create(share_type="silver", share_network_id=network, size=500)
    assert share.instance.host is None
    with world.db.write() as tx:
        share_networks.change(tx, network, status="deleting")
        use_case.delete(tx, RED, share.id)
    with world.db.read() as tx:
        assert shares.get(tx, share.id) is None
        left = select(func.count()).where(network_table.c.id == network)
        assert tx.scalar(left) == 0


def test_delete_with_snapshots_is_refused(world: World) -> None:
    """Snapshots would be lost: they go first, by force too."""
    share = finished(world, world.create())
    snapshot_of(world, share)
    with world.db.write() as tx, pytest.raises(Forbidden, match="1 snapshot"):
        use_case.delete(tx, ADMIN, share.id)


def test_rules_are_accepted_while_the_share_is_created(world: World) -> None:
    """Live work does not stand in the way of a rule; both are one task."""
    share = world.create()
    allow(world, share, "10.0.0.1")
    assert read(world, share.id).instance.access_rules_status is AccessRulesStatus.SYNCING
    assert len(world.tasks()) == 1


@pytest.mark.every_database
def test_two_spellings_are_one_rule(world: World) -> None:
    """Whoever asks at the same time in other words is refused, and one rule is made."""
    share = finished(world, world.create())
    spellings = ["10.0.0.5", "10.0.0.5/32", " 10.0.0.5 ", "10.0.0.5/255.255.255.255"]

    def one(text: str) -> bool:
        try:
            allow(world, share, text)
        except BadRequest:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(one, spellings)) == 1


def test_access_to_stays_as_it_was_written(world: World) -> None:
    """Clients compare what they asked with what is shown."""
    share = finished(world, world.create())
    allow(world, share, "FD00:0::/64")
    with world.db.read() as tx:
        (rule,) = rule_rows.of_share(tx, share.id)
    assert (rule.access_to, rule.access_level) == ("FD00:0::/64", "rw")


@pytest.mark.every_database
def test_allow_during_deny_is_a_new_rule(world: World) -> None:
    """The rule on its way out makes room for one with another level."""
    share = finished(world, world.create())
    old = allow(world, share, "10.0.0.5")
    with world.db.write() as tx:
        access_rules.deny(tx, RED, share.id, old)
    new = allow(world, share, "10.0.0.5", "ro")
    with world.db.read() as tx:
        (rule,) = rule_rows.of_share(tx, share.id)
    assert rule.id == new != old
    assert (rule.access_level, rule.state) == ("ro", AccessState.QUEUED_TO_APPLY)


def test_ipv6_by_version(world: World) -> None:
    """IPv6 rules begin with 2.38."""
    share = finished(world, world.create())
    old = caller("red", version=Version(2, 37))
    with world.db.write() as tx, pytest.raises(BadRequest, match=r"2\.38"):
        access_rules.allow(
            tx,
            old,
            share.id,
            access_type="ip",
            access_to="fd00::1",
            access_level=None,
            metadata={},
        )
    with world.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(rule_table)) == 0


def test_snapshot_waits_in_the_lane_of_its_share(world: World) -> None:
    """Work on a snapshot and on its share never runs at the same time."""
    share = finished(
        world, world.create(share_type="silver", share_network_id=world.names["red_net"])
    )
    taken = snapshot_of(world, share)
    lanes = {kind: lane for kind, *_, lane in world.tasks()}
    assert lanes == {
        "share": share.instance.share_server_id,
        "snapshot": share.instance.share_server_id,
    }
    assert taken.instance.share_instance_id == share.instance.id


@pytest.mark.every_database
def test_clone_lands_on_its_source(world: World) -> None:
    """A share made from a snapshot is on the same share server, and echoes what was asked."""
    network = world.names["red_net"]
    parent = finished(world, world.create(share_type="silver", share_network_id=network))
    taken = snapshot_of(world, parent)
    clone = world.create(snapshot_id=taken.id, size=None)
    assert clone.instance.status is ShareStatus.CREATING_FROM_SNAPSHOT
    assert clone.instance.share_server_id == parent.instance.share_server_id
    assert (clone.share_network_id, clone.effective_share_network_id) == (None, network)
    assert clone.share_type_id == world.names["silver"]


def test_clone_on_another_network_is_refused(world: World) -> None:
    """A clone is where its snapshot is."""
    parent = finished(
        world, world.create(share_type="silver", share_network_id=world.names["red_net"])
    )
    taken = snapshot_of(world, parent)
    with pytest.raises(BadRequest, match="share network"):
        world.create(snapshot_id=taken.id, share_network_id=world.names["public_net"])


def test_clone_of_another_projects_snapshot(world: World) -> None:
    """Not even an administrator makes a share in one project of another's snapshot."""
    taken = snapshot_of(world, finished(world, world.create()))
    with pytest.raises(NotFound):
        world.create(ADMIN, snapshot_id=taken.id)


@pytest.mark.every_database
def test_snapshot_in_use_stays(world: World) -> None:
    """A snapshot that a share is being made from, or reverted to, can't go."""
    share = finished(world, world.create())
    taken = snapshot_of(world, share)
    clone = world.create(snapshot_id=taken.id)
    with world.db.write() as tx, pytest.raises(Conflict, match="being created"):
        snapshots.delete(tx, RED, taken.id)
    finished(world, clone)
    with world.db.write() as tx:
        snapshots.revert(tx, RED, share.id, taken.id)
    with world.db.write() as tx, pytest.raises(Conflict, match="reverted"):
        snapshots.delete(tx, RED, taken.id)
    now = read(world, share.id).instance
    assert (now.status, now.revert_to) == (ShareStatus.REVERTING, taken.id)


@pytest.mark.every_database
@pytest.mark.parametrize("number", [1, 12])
def test_detail_takes_a_constant_number_of_statements(world: World, number: int) -> None:
    """However many shares a page has: with four, and with two if they were read before."""
    for _ in range(number):
        world.create(metadata={"a": "b"})
    said: list[str] = []
    event.listen(
        world.db.engine, "before_cursor_execute", lambda *args: said.append(args[2].split()[0])
    )
    for statements in (4, 2):
        said.clear()
        with world.db.read() as tx:
            found = shown_shares.find(tx, ShareQuery(project_id="red"), Page())
        assert len(found.items) == number
        assert all(read_share(item.text).metadata == {"a": "b"} for item in found.items)
        assert said.count("SELECT") == statements
