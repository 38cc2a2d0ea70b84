"""Which keys shares and what belongs to them show, at every version there is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from abaca.api.microversion import HISTORY
from abaca.db.tables import share_instances
from api.setups import shares as rows

VERSIONS = [version for version, _ in HISTORY]
LAST = VERSIONS[-1].minor
# Key: the minor versions from and to which it is shown. From the published API reference.
SHARE = {
    **dict.fromkeys(
        [
            "id",
            "name",
            "description",
            "size",
            "status",
            "availability_zone",
            "created_at",
            "project_id",
            "share_proto",
            "share_network_id",
            "effective_share_network_id",
            "snapshot_id",
            "is_public",
            "metadata",
            "share_type",
            "volume_type",
            "links",
        ],
        (0, LAST),
    ),
    "export_location": (0, 8),
    "export_locations": (0, 8),
    "snapshot_support": (2, LAST),
    "consistency_group_id": (4, 30),
    "source_cgsnapshot_member_id": (4, 30),
    "task_state": (5, LAST),
    "share_type_name": (6, LAST),
    "access_rules_status": (10, LAST),
    "has_replicas": (11, LAST),
    "replication_type": (11, LAST),
    "user_id": (16, LAST),
    "create_share_from_snapshot_support": (24, LAST),
    "revert_to_snapshot_support": (27, LAST),
    "share_group_id": (31, LAST),
    "source_share_group_snapshot_member_id": (31, LAST),
    "mount_snapshot_support": (32, LAST),
    "progress": (54, LAST),
    "is_soft_deleted": (69, LAST),
    "scheduled_to_be_deleted_at": (69, LAST),
}
SNAPSHOT = {
    **dict.fromkeys(
        [
            "id",
            "name",
            "description",
            "status",
            "size",
            "share_id",
            "share_size",
            "share_proto",
            "created_at",
            "links",
        ],
        (0, LAST),
    ),
    "project_id": (17, LAST),
    "user_id": (17, LAST),
    "metadata": (73, LAST),
}
RULE = {
    **dict.fromkeys(["id", "access_type", "access_to", "access_level", "state"], (0, LAST)),
    "access_key": (21, LAST),
    "created_at": (33, LAST),
    "updated_at": (33, LAST),
    "metadata": (45, LAST),
}
LOCATION = {
    "id": (9, LAST),
    "uuid": (9, 13),
    "path": (9, LAST),
    "preferred": (14, LAST),
    "created_at": (9, 13),
    "updated_at": (9, 13),
}


def shown_at(keys: dict[str, tuple[int, int]], minor: int) -> set[str]:
    """The keys of this version."""
    return {key for key, (since, until) in keys.items() if since <= minor <= until}


@pytest.fixture
def names(db: Any) -> dict[str, str]:
    """Four shares."""
    return rows.four(db)


def test_every_version(client: Any, names: dict[str, str]) -> None:
    """Share, snapshot, access rule and export location have exactly the keys of each version."""
    share = f"/v2/shares/{names['a']}"
    made = client.call(
        "alice", "POST", "/v2/snapshots", body={"snapshot": {"share_id": names["a"]}}
    )
    snapshot = f"/v2/snapshots/{made.json['snapshot']['id']}"
    rule = {"os-allow_access": {"access_type": "ip", "access_to": "10.0.0.1"}}
    assert client.call("alice", "POST", f"{share}/action", body=rule).status_code == 200

    for version in VERSIONS:
        minor = version.minor

        def get(path: str, at: str = str(version)) -> Any:
            return client.call("alice", "GET", path, version=at).json

        assert set(get(share)["share"]) == shown_at(SHARE, minor), version
        assert set(get("/v2/shares/detail")["shares"][0]) == shown_at(SHARE, minor), version
        assert set(get("/v2/shares")["shares"][0]) == {"id", "name", "links"}, version
        assert set(get(snapshot)["snapshot"]) == shown_at(SNAPSHOT, minor), version
        if minor >= 45:
            rules = get(f"/v2/share-access-rules?share_id={names['a']}")
        else:
            name = "access_list" if minor >= 7 else "os-access_list"
            rules = client.call(
                "alice", "POST", f"{share}/action", version=str(version), body={name: None}
            ).json
        assert set(rules["access_list"][0]) == shown_at(RULE, minor), version
        locations = get(f"{share}/export_locations")
        if minor >= 9:
            assert set(locations["export_locations"][0]) == shown_at(LOCATION, minor), version
        else:
            assert "itemNotFound" in locations, version


def test_administrators_see_where_it_is(client: Any, names: dict[str, str]) -> None:
    """Host and share server are keys for administrators only, at the first version and the last."""
    for version in (VERSIONS[0], VERSIONS[-1]):
        path = f"/v2/shares/{names['a']}"
        theirs = client.call("admin", "GET", path, version=str(version)).json["share"]
        ours = client.call("alice", "GET", path, version=str(version)).json["share"]
        assert set(theirs) - set(ours) == {"host", "share_server_id"}, version


def test_statuses_that_old_clients_know(client: Any, db: Any, names: dict[str, str]) -> None:
    """A share and its instance show no status that came later than the version asked for."""
    with db.write() as tx:
        one = share_instances.c.share_id == names["a"]
        tx.execute(
            update(share_instances)
            .where(one)
            .values(status="creating_from_snapshot", access_rules_status="syncing")
        )
    for version in VERSIONS:
        path, minor = f"/v2/shares/{names['a']}", version.minor
        found = [client.call("admin", "GET", path, version=str(version)).json["share"]]
        if minor >= 3:
            listed = client.call("admin", "GET", f"{path}/instances", version=str(version))
            found += listed.json["share_instances"]
        assert len(found) == 1 + (minor >= 3), version
        status = "creating_from_snapshot" if minor >= 54 else "creating"
        rules = "syncing" if minor >= 28 else "out_of_sync"
        for item in found:
            assert item["status"] == status, version
            assert item.get("access_rules_status", rules) == rules, version
