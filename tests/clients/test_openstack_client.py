"""`openstack share ...`, at its default version, against a running `abaca serve`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def types(cloud: Any) -> Iterator[tuple[str, str]]:
    """A share type without share servers, and one with."""
    single = cloud.answer("share", "type", "create", "single", "false")
    multi = cloud.answer("share", "type", "create", "multi", "true")
    cloud.openstack(
        *("share", "type", "set", "single", "--extra-specs", "snapshot_support=True"),
        *("create_share_from_snapshot_support=True", "revert_to_snapshot_support=True"),
    )
    yield single["name"], multi["name"]
    cloud.openstack("share", "type", "delete", single["id"], multi["id"])


def until_gone(cloud: Any, *argv: str) -> None:
    """Poll a list until it is empty."""
    deadline = time.monotonic() + 60
    while cloud.answer(*argv):
        assert time.monotonic() < deadline, f"{' '.join(argv)} does not become empty"
        time.sleep(0.1)


def settled(cloud: Any, name: str, *kind: str) -> Any:
    """The share, or what else, once it is available: `--wait` looks every five seconds only."""
    deadline = time.monotonic() + 60
    while (shown := cloud.answer("share", *kind, "show", name))["status"] != "available":
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)
    return shown


def test_types(cloud: Any, types: tuple[str, str]) -> None:
    """Both are listed, with the boolean that every type has."""
    found = {item["Name"]: item for item in cloud.answer("share", "type", "list")}
    assert set(types) <= set(found)
    shown = cloud.answer("share", "type", "show", "multi")
    assert shown["required_extra_specs"] == {"driver_handles_share_servers": "True"}


def test_a_share_from_create_to_delete(cloud: Any, types: tuple[str, str]) -> None:
    """Create, show, access rule, export location, extend, shrink, deny, delete."""
    made = cloud.answer(
        *("share", "create", "NFS", "1", "--name", "first", "--share-type", types[0]),
        *("--property", "colour=blue", "--wait"),
    )
    assert made["status"] == "available"
    assert made["share_network_id"] is None
    shown = cloud.answer("share", "show", "first")
    assert (shown["size"], shown["share_proto"], shown["host"]) == (1, "NFS", "node1@site#fake")
    rule = cloud.answer(
        *("share", "access", "create", "first", "ip", "10.0.0.0/24", "--access-level", "ro")
    )
    assert rule["access_level"] == "ro"
    rules = cloud.answer("share", "access", "list", "first")
    assert [item["Access To"] for item in rules] == ["10.0.0.0/24"]
    paths = [item["Path"] for item in cloud.answer("share", "export", "location", "list", "first")]
    assert len(paths) == 1
    assert ":/" in paths[0]
    cloud.openstack("share", "resize", "first", "3")
    assert settled(cloud, "first")["size"] == 3
    cloud.openstack("share", "resize", "first", "2")
    assert settled(cloud, "first")["size"] == 2
    cloud.openstack("share", "access", "delete", "first", rule["id"])
    until_gone(cloud, "share", "access", "list", "first")
    cloud.openstack("share", "set", "first", "--name", "renamed", "--property", "a=b")
    listed = cloud.answer("share", "list", "--property", "a=b")
    assert [(item["Name"], item["Size"]) for item in listed] == [("renamed", 2)]
    cloud.openstack("share", "delete", "renamed", "--wait")
    assert cloud.answer("share", "list") == []


def test_a_share_on_a_share_network(cloud: Any, types: tuple[str, str]) -> None:
    """A share network without subnet gets a share server with an address of the flat network."""
    network = cloud.answer("share", "network", "create", "--name", "net")
    made = cloud.answer(
        *("share", "create", "NFS", "1", "--name", "served", "--share-type", types[1]),
        *("--share-network", "net"),
    )
    settled(cloud, "served")
    assert made["share_network_id"] == network["id"]
    servers = cloud.answer("share", "server", "list")
    assert [(item["Host"], item["Status"]) for item in servers] == [("node1@cluster", "active")]
    paths = [item["Path"] for item in cloud.answer("share", "export", "location", "list", "served")]
    assert paths[0].startswith("10.10.0.10:/")
    assert cloud.answer("share", "network", "show", "net")["share_network_subnets"] == []
    cloud.openstack("share", "delete", "served")
    until_gone(cloud, "share", "server", "list")
    cloud.openstack("share", "network", "delete", "net")
    until_gone(cloud, "share", "network", "list")


def test_snapshots(cloud: Any, types: tuple[str, str]) -> None:
    """Create with metadata (2.73), list, a share from it, revert, delete."""
    cloud.openstack("share", "create", "NFS", "1", "--name", "src", "--share-type", types[0])
    settled(cloud, "src")
    cloud.openstack("share", "snapshot", "create", "src", "--name", "snap", "--property", "team=x")
    snapshot = settled(cloud, "snap", "snapshot")
    assert "team" in str(snapshot.get("properties", snapshot.get("metadata")))
    cloud.openstack(
        *("share", "create", "NFS", "1", "--name", "copy", "--share-type", types[0]),
        *("--snapshot-id", snapshot["id"]),
    )
    settled(cloud, "copy")
    cloud.openstack("share", "revert", "snap")
    settled(cloud, "src")
    cloud.openstack("share", "snapshot", "delete", "snap")
    until_gone(cloud, "share", "snapshot", "list")
    cloud.openstack("share", "delete", "copy", "src")
    until_gone(cloud, "share", "list")


def test_what_is_there(cloud: Any, types: tuple[str, str]) -> None:
    """Services and pools of both backends, and the one availability zone."""
    del types  # the backends have reported by then
    services = cloud.answer("share", "service", "list")
    assert {item["Host"] for item in services} >= {"node1@site", "node1@cluster"}
    assert {item["State"] for item in services} == {"up"}
    pools = cloud.answer("share", "pool", "list")
    assert {item["Name"] for item in pools} == {"node1@site#fake", "node1@cluster#fake"}
    zones = cloud.answer("share", "availability", "zone", "list")
    assert [item["Name"] for item in zones] == ["nova"]


def test_a_share_that_fits_nowhere(cloud: Any, types: tuple[str, str]) -> None:
    """It is in error, and a message says what it would have needed."""
    project = cloud.answer("project", "show", "admin")["id"]
    cloud.openstack("share", "quota", "set", project, "--gigabytes", "-1")
    cloud.openstack("share", "create", "NFS", "999999", "--name", "large", "--share-type", types[0])
    deadline = time.monotonic() + 60
    while (shown := cloud.answer("share", "show", "large"))["status"] != "error":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (message,) = cloud.answer("share", "message", "list", "--resource-id", shown["id"])
    assert (
        "999999 GiB free" in cloud.answer("share", "message", "show", message["ID"])["user_message"]
    )
    cloud.openstack("share", "delete", "large")
    until_gone(cloud, "share", "list")
