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
        time.sleep(0.5)


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
        *("share", "access", "create", "first", "ip", "10.0.0.0/24"),
        *("--access-level", "ro", "--wait"),
    )
    assert (rule["state"], rule["access_level"]) == ("active", "ro")
    rules = cloud.answer("share", "access", "list", "first")
    assert [item["Access To"] for item in rules] == ["10.0.0.0/24"]
    paths = [item["Path"] for item in cloud.answer("share", "export", "location", "list", "first")]
    assert len(paths) == 1
    assert ":/" in paths[0]
    cloud.openstack("share", "resize", "first", "3", "--wait")
    assert cloud.answer("share", "show", "first")["size"] == 3
    cloud.openstack("share", "resize", "first", "2", "--wait")
    assert cloud.answer("share", "show", "first")["size"] == 2
    cloud.openstack("share", "access", "delete", "first", rule["id"], "--wait")
    assert cloud.answer("share", "access", "list", "first") == []
    assert [item["Name"] for item in cloud.answer("share", "list")] == ["first"]
    cloud.openstack("share", "delete", "first", "--wait")
    assert cloud.answer("share", "list") == []


def test_a_share_on_a_share_network(cloud: Any, types: tuple[str, str]) -> None:
    """A share network without subnet gets a share server with an address of the flat network."""
    network = cloud.answer("share", "network", "create", "--name", "net")
    made = cloud.answer(
        *("share", "create", "NFS", "1", "--name", "served", "--share-type", types[1]),
        *("--share-network", "net", "--wait"),
    )
    assert made["status"] == "available"
    assert made["share_network_id"] == network["id"]
    servers = cloud.answer("share", "server", "list")
    assert [(item["Host"], item["Status"]) for item in servers] == [("node1@cluster", "active")]
    paths = [item["Path"] for item in cloud.answer("share", "export", "location", "list", "served")]
    assert paths[0].startswith("10.10.0.10:/")
    assert cloud.answer("share", "network", "show", "net")["share_network_subnets"] == []
    cloud.openstack("share", "delete", "served", "--wait")
    until_gone(cloud, "share", "server", "list")
    cloud.openstack("share", "network", "delete", "net")
    until_gone(cloud, "share", "network", "list")


def test_snapshots(cloud: Any, types: tuple[str, str]) -> None:
    """Create with metadata (2.73), list, a share from it, revert, delete."""
    cloud.openstack(
        "share", "create", "NFS", "1", "--name", "src", "--share-type", types[0], "--wait"
    )
    snapshot = cloud.answer(
        *("share", "snapshot", "create", "src", "--name", "snap", "--property", "team=x", "--wait")
    )
    assert snapshot["status"] == "available"
    shown = cloud.answer("share", "snapshot", "show", "snap")
    assert "team" in str(shown.get("properties", shown.get("metadata")))
    copy = cloud.answer(
        *("share", "create", "NFS", "1", "--name", "copy", "--share-type", types[0]),
        *("--snapshot-id", cloud.answer("share", "snapshot", "show", "snap")["id"], "--wait"),
    )
    assert copy["status"] == "available"
    cloud.openstack("share", "revert", "snap", "--wait")
    assert cloud.answer("share", "show", "src")["status"] == "available"
    cloud.openstack("share", "snapshot", "delete", "snap", "--wait")
    assert cloud.answer("share", "snapshot", "list") == []
    cloud.openstack("share", "delete", "copy", "src", "--wait")
