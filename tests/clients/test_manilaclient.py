"""python-manilaclient as a library, at 2.65, against a running `abaca serve`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3
from manilaclient import client, exceptions

SECONDS = 60
FEATURES = {
    "snapshot_support": "True",
    "create_share_from_snapshot_support": "True",
    "revert_to_snapshot_support": "True",
}


@pytest.fixture(scope="module")
def manila(cloud: Any) -> Iterator[Any]:
    """The administrator's client, and a type for each backend."""
    names = cloud.credentials
    login = v3.Password(
        auth_url=names["OS_AUTH_URL"],
        username=names["OS_USERNAME"],
        password=names["OS_PASSWORD"],
        project_name=names["OS_PROJECT_NAME"],
        user_domain_name="Default",
        project_domain_name="Default",
    )
    manila = client.Client("2.65", session=session.Session(auth=login))
    types = [
        manila.share_types.create("gold", False, extra_specs=dict(FEATURES)),
        manila.share_types.create("silver", True, extra_specs=dict(FEATURES)),
    ]
    yield manila
    for item in types:
        manila.share_types.delete(item)


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def settled(get: Callable[[str], Any], item: Any, status: str = "available") -> Any:
    """The thing, once it has the status."""
    until(lambda: get(item.id).status == status)
    return get(item.id)


def gone(get: Callable[[str], Any], item: Any) -> bool:
    """Whether the thing is not found any more."""
    try:
        get(item.id)
    except exceptions.NotFound:
        return True
    return False


@pytest.mark.parametrize("share_type", ["gold", "silver"])
def test_life_of_a_share(manila: Any, share_type: str) -> None:
    """Create, allow, extend, shrink, snapshot, revert, clone and delete, on both backends."""
    network = manila.share_networks.create(name=share_type) if share_type == "silver" else None
    get = manila.shares.get
    share = settled(
        get,
        manila.shares.create(
            "NFS", 1, name=share_type, share_type=share_type, share_network=network
        ),
    )
    assert share.progress == "100%"
    assert share.share_network_id == (network.id if network else None)
    (location,) = manila.share_export_locations.list(share.id)
    assert ":/" in location.path
    rule = share.allow("ip", "10.0.0.5", "rw")
    rules = manila.share_access_rules
    until(lambda: [item.state for item in rules.access_list(share, {})] == ["active"])
    manila.shares.extend(share, 3)
    assert settled(get, share).size == 3
    manila.shares.shrink(share, 2)
    assert settled(get, share).size == 2
    snapshot = settled(manila.share_snapshots.get, manila.share_snapshots.create(share.id))
    manila.shares.revert_to_snapshot(share, snapshot)
    settled(get, share)
    settled(manila.share_snapshots.get, snapshot)
    clone = manila.shares.create("NFS", 2, snapshot_id=snapshot.id, share_network=network)
    assert settled(get, clone).host == share.host
    share.deny(rule["id"])
    until(lambda: rules.access_list(share, {}) == [])
    manila.share_snapshots.delete(snapshot)
    until(lambda: gone(manila.share_snapshots.get, snapshot))
    for item in (clone, share):
        manila.shares.delete(item)
        until(lambda item=item: gone(get, item))
