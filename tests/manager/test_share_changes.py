"""What may happen to a share that exists: sizes, rules, snapshots, and their refusals."""

from __future__ import annotations

import pytest

from abaca.drivers.fake import FakeDriver
from abaca.errors import AccessRuleUnsupported, BackendUnavailable, DriverError
from abaca.model.message import ActionId, DetailId
from abaca.model.share import Share
from abaca.modes import DriverMode
from abaca.states import AccessRulesStatus, AccessState, ShareStatus, SnapshotStatus
from support.control_plane import Api, StartManager, backend

MODE = DriverMode.FLAT


@pytest.fixture
def driver() -> FakeDriver:
    """The storage."""
    return FakeDriver(MODE)


@pytest.fixture
def share(api: Api, start: StartManager, driver: FakeDriver) -> Share:
    """An available share of 2 GiB."""
    start(backend("b1", MODE, driver=driver))
    share_id = api.share(api.share_type(MODE), network_id=api.share_network(), size=2)
    return api.until_status(share_id, ShareStatus.AVAILABLE)


def read(api: Api, share: Share) -> Share:
    """The share once nothing is left to do."""
    api.until_idle()
    found = api.read(share.id)
    assert found is not None
    return found


def rule_states(api: Api) -> dict[object, object]:
    """States of all rules by whom they admit."""
    return {row["access_to"]: row["state"] for row in api.rows("access_rules")}


def test_extend(api: Api, driver: FakeDriver, share: Share):
    """The share gets the size wanted, in the storage and in its row."""
    api.resize(share.id, 5)
    found = read(api, share)
    assert (found.size, found.instance.status) == (5, ShareStatus.AVAILABLE)
    assert driver.world.shares[share.instance.id].size_gib == 5


@pytest.mark.every_database
def test_two_extends_end_at_the_last_one(api: Api, driver: FakeDriver, share: Share):
    """A size asked for while another is being made is not lost."""
    driver.delays["resize_share"] = 0.1
    api.resize(share.id, 5)
    api.until(lambda: driver.calls.count("ensure_share") > 1)
    api.resize(share.id, 7)
    assert read(api, share).size == 7
    assert driver.world.shares[share.instance.id].size_gib == 7


def test_shrink_below_what_is_used_is_refused(api: Api, driver: FakeDriver, share: Share):
    """The share keeps its size and its data, and its project is told."""
    driver.fill(share.instance.id, "data", used_gib=2)
    api.resize(share.id, 1)
    found = read(api, share)
    assert found.instance.status is ShareStatus.SHRINKING_POSSIBLE_DATA_LOSS
    assert (found.size, found.instance.wanted_size) == (2, 2)
    assert driver.world.shares[share.instance.id].size_gib == 2
    (message,) = api.messages()
    assert (message.action_id, message.detail_id) == (ActionId.SHRINK, "018")
    assert "delete data first" in message.user_message


def test_failing_extend(api: Api, driver: FakeDriver, share: Share):
    """The share is kept as it was, in extending_error."""
    driver.fail("resize_share", DriverError("disk on fire"))
    api.resize(share.id, 3)
    found = read(api, share)
    assert found.instance.status is ShareStatus.EXTENDING_ERROR
    assert (found.size, found.instance.wanted_size) == (2, 2)
    (message,) = api.messages()
    assert message.detail_id == DetailId.DRIVER_FAILED_EXTEND
    assert "fire" not in message.user_message


@pytest.mark.every_database
def test_rules_are_applied_and_taken_away(api: Api, driver: FakeDriver, share: Share):
    """What is in force is what the rules say; denied rules disappear."""
    first = api.allow(share.id, "10.0.0.0/8")
    api.allow(share.id, "192.0.2.7", "ro")
    found = read(api, share)
    assert found.instance.access_rules_status is AccessRulesStatus.ACTIVE
    assert set(rule_states(api).values()) == {AccessState.ACTIVE}
    made = driver.world.shares[share.instance.id]
    assert made.rules == [("10.0.0.0/8", "rw"), ("192.0.2.7/32", "ro")]

    api.deny(share.id, first)
    read(api, share)
    assert driver.world.shares[share.instance.id].rules == [("192.0.2.7/32", "ro")]
    assert set(rule_states(api)) == {"192.0.2.7"}


def test_last_rule_denied_admits_nobody(api: Api, driver: FakeDriver, share: Share):
    """An empty list is applied too."""
    rule = api.allow(share.id, "10.0.0.0/8")
    read(api, share)
    api.deny(share.id, rule)
    assert read(api, share).instance.access_rules_status is AccessRulesStatus.ACTIVE
    assert driver.world.shares[share.instance.id].rules == []


def test_unsupported_rule_harms_no_other(api: Api, driver: FakeDriver, share: Share):
    """A rule that the backend can't express is in error; those in force stay so."""
    api.allow(share.id, "10.0.0.0/8")
    read(api, share)
    driver.fail("apply_access", AccessRuleUnsupported("not here"))
    bad = api.allow(share.id, "192.0.2.7")
    found = read(api, share)
    assert found.instance.access_rules_status is AccessRulesStatus.ERROR
    assert found.instance.status is ShareStatus.AVAILABLE
    assert rule_states(api) == {"10.0.0.0/8": "active", "192.0.2.7": "error"}
    assert driver.world.shares[share.instance.id].rules == [("10.0.0.0/8", "rw")]
    (message,) = api.messages()
    assert message.detail_id == DetailId.UNSUPPORTED_CLIENT_ACCESS

    api.deny(share.id, bad)
    assert read(api, share).instance.access_rules_status is AccessRulesStatus.ACTIVE


def test_rules_can_fail_for_good(api: Api, driver: FakeDriver, share: Share):
    """Rules that can't be applied are in error; the share itself stays available."""
    driver.fail("apply_access", DriverError("no"))
    api.allow(share.id, "10.0.0.0/8")
    found = read(api, share)
    assert found.instance.status is ShareStatus.AVAILABLE
    assert found.instance.access_rules_status is AccessRulesStatus.ERROR
    (message,) = api.messages()
    assert message.action_id == ActionId.UPDATE_ACCESS_RULES


def test_storage_that_is_away_for_a_moment(api: Api, driver: FakeDriver, share: Share):
    """Nobody notices but the log."""
    driver.fail("apply_access", BackendUnavailable("away"), BackendUnavailable("away"))
    driver.fail("ensure_share", BackendUnavailable("away"))
    api.allow(share.id, "10.0.0.0/8")
    assert read(api, share).instance.access_rules_status is AccessRulesStatus.ACTIVE
    assert api.messages() == []


@pytest.mark.every_database
def test_snapshot_revert_and_clone(api: Api, driver: FakeDriver, share: Share):
    """The share goes back to its snapshot, and a new share begins as it."""
    driver.fill(share.instance.id, "old")
    snapshot = api.snapshot(share.id)
    read(api, share)
    driver.fill(share.instance.id, "new")
    api.revert(share.id, snapshot)
    found = read(api, share)
    assert found.instance.status is ShareStatus.AVAILABLE
    assert found.instance.revert_to is None
    assert driver.world.shares[share.instance.id].content == "old"
    (row,) = api.rows("snapshot_instances")
    assert row["status"] == SnapshotStatus.AVAILABLE

    clone = api.share(
        share.share_type_id,
        network_id=share.share_network_id,
        size=2,
        snapshot_id=snapshot,
    )
    made = api.until_status(clone, ShareStatus.AVAILABLE)
    assert driver.world.shares[made.instance.id].content == "old"
    assert made.instance.share_server_id == share.instance.share_server_id


def test_failing_revert(api: Api, driver: FakeDriver, share: Share):
    """The share says so; its snapshot can still be used."""
    snapshot = api.snapshot(share.id)
    read(api, share)
    driver.fail("revert_share", DriverError("no"))
    api.revert(share.id, snapshot)
    assert read(api, share).instance.status is ShareStatus.REVERTING_ERROR
    (row,) = api.rows("snapshot_instances")
    assert row["status"] == SnapshotStatus.AVAILABLE
    assert [item.action_id for item in api.messages()] == [ActionId.REVERT_TO_SNAPSHOT]


def test_snapshot_that_fails_leaves_nothing(api: Api, driver: FakeDriver, share: Share):
    """It is in error with a message, and can be deleted."""
    driver.fail("ensure_snapshot", DriverError("no"))
    snapshot = api.snapshot(share.id)
    read(api, share)
    (row,) = api.rows("snapshot_instances")
    assert row["status"] == SnapshotStatus.ERROR
    assert [item.resource_id for item in api.messages()] == [snapshot]
    api.delete_snapshot(snapshot)
    read(api, share)
    assert api.rows("snapshots") == []
    assert driver.world.snapshots == {}


def test_share_that_cannot_be_removed_says_so(api: Api, driver: FakeDriver, share: Share):
    """error_deleting with a message, and left alone; deleting it again goes on."""
    driver.fail("remove_share", DriverError("no"))
    api.delete(share.id)
    assert read(api, share).instance.status is ShareStatus.ERROR_DELETING
    assert [item.action_id for item in api.messages()] == [ActionId.DELETE]
    driver.calls.clear()
    api.change(share.id)
    read(api, share)
    assert "ensure_share" not in driver.calls
    api.delete(share.id)
    api.until_idle()
    assert api.rows("shares") == []
    assert driver.world.shares == {}
