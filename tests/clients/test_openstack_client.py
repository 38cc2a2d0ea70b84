"""`openstack share ...`, at its default version, against a running `abaca serve`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3
from manilaclient import client


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
    """Create, list, a share from it, revert, delete.

    `openstack share snapshot create` of python-manilaclient 6.3 stops with an error of its own
    when a server's maximum is below 2.73: then its library, which the command uses, makes it.
    """
    cloud.openstack(
        "share", "create", "NFS", "1", "--name", "src", "--share-type", types[0], "--wait"
    )
    library = manila(cloud)
    share = library.shares.find(name="src")
    library.share_snapshots.create(share, name="snap")
    deadline = time.monotonic() + 30
    while cloud.answer("share", "snapshot", "show", "snap")["status"] != "available":
        assert time.monotonic() < deadline
        time.sleep(0.5)
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


def manila(cloud: Any) -> Any:
    """The library of python-manilaclient, at our highest version."""
    names = cloud.credentials
    auth = v3.Password(
        auth_url=names["OS_AUTH_URL"],
        username=names["OS_USERNAME"],
        password=names["OS_PASSWORD"],
        project_name=names["OS_PROJECT_NAME"],
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return client.Client("2.65", session=session.Session(auth=auth))


def test_what_an_administrator_looks_at(cloud: Any) -> None:
    """Services and pools of both backends, limits, quotas, availability zones."""
    services = cloud.answer("share", "service", "list")
    assert {(item["Host"], item["State"]) for item in services} >= {
        ("node1@site", "up"),
        ("node1@cluster", "up"),
    }
    pools = {item["Name"] for item in cloud.answer("share", "pool", "list")}
    assert pools == {"node1@site#fake", "node1@cluster#fake"}
    assert [item["Name"] for item in cloud.answer("share", "availability", "zone", "list")] == [
        "nova"
    ]
    assert cloud.answer("share", "quota", "show", "admin")["shares"] == 50
    assert cloud.answer("share", "limits", "show", "--absolute")


def test_a_failure_is_told(cloud: Any, types: tuple[str, str]) -> None:
    """A share that fits nowhere ends in error, with a user message that says why."""
    cloud.openstack("share", "quota", "set", "admin", "--gigabytes", "-1")
    made = cloud.answer(
        *("share", "create", "NFS", "900000", "--name", "huge", "--share-type", types[0])
    )
    deadline = time.monotonic() + 30
    while cloud.answer("share", "show", "huge")["status"] != "error":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    messages = cloud.answer("share", "message", "list", "--resource-id", made["id"])
    assert len(messages) == 1
    shown = cloud.answer("share", "message", "show", messages[0]["ID"])
    assert "900000 GiB" in shown["user_message"]
    cloud.openstack("share", "message", "delete", messages[0]["ID"])
    cloud.openstack("share", "delete", "huge", "--wait")
