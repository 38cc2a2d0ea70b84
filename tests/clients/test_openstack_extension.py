"""Abaca's own commands of the `openstack` client, beside python-manilaclient's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest


@pytest.fixture(scope="module")
def network(cloud: Any) -> Iterator[Any]:
    """A share network of the administrator's, and the type ``multi`` that needs one."""
    multi = cloud.answer("share", "type", "create", "multi", "true")
    made = cloud.answer("share", "network", "create", "--name", "lab")
    yield made
    cloud.openstack("share", "network", "delete", made["id"])
    cloud.openstack("share", "type", "delete", multi["id"])


def refused(cloud: Any, *argv: str) -> str:
    """What a command that must fail says."""
    with pytest.raises(AssertionError) as failed:
        cloud.openstack(*argv)
    said = str(failed.value)
    assert "Traceback" not in said
    return said


def is_public(cloud: Any, network_id: str) -> bool:
    """As python-manilaclient shows it."""
    return bool(cloud.answer("share", "network", "show", network_id)["is_public"])


def test_published_and_taken_back(cloud: Any, network: Any) -> None:
    """By name and by ID; again is the same; an unknown one is named."""
    cloud.openstack("share", "network", "publish", "lab")
    cloud.openstack("share", "network", "publish", "lab")
    assert is_public(cloud, network["id"])
    cloud.openstack("share", "network", "unpublish", network["id"])
    assert not is_public(cloud, network["id"])
    assert "nowhere" in refused(cloud, "share", "network", "publish", "nowhere")


def test_the_default(cloud: Any, network: Any) -> None:
    """Only a public one is designated; it stays public until none is; show says who says so."""
    shown = cloud.answer("share", "network", "default", "show")
    assert (shown["share_network_id"], shown["source"]) == (None, None)
    assert "(HTTP 409)" in refused(cloud, "share", "network", "default", "set", network["id"])
    cloud.openstack("share", "network", "publish", "lab")
    cloud.openstack("share", "network", "default", "set", "lab")
    shown = cloud.answer("share", "network", "default", "show", "--share-type", "multi")
    assert (shown["share_network_id"], shown["source"]) == (network["id"], "designated")
    assert shown["needed"] is True
    assert {"source": "designated", "value": network["id"]} in shown["sources"]
    people = cloud.openstack("share", "network", "default", "show")
    assert f"designated: {network['id']}" in people
    assert "(HTTP 409)" in refused(cloud, "share", "network", "unpublish", "lab")
    cloud.openstack("share", "network", "default", "unset")
    cloud.openstack("share", "network", "default", "unset")
    assert cloud.answer("share", "network", "default", "show")["source"] is None
    cloud.openstack("share", "network", "unpublish", "lab")


def test_explain(cloud: Any, network: Any) -> None:
    """Which backend fits, and why the other does not; nothing is made; refusals in its words."""
    argv = ("share", "network", "explain", "--share-type", "multi", "--size", "1")
    found = cloud.answer(
        *argv, "--share-network", "lab", "--availability-zone", "nova", "--share-protocol", "nfs"
    )
    assert found["share_network_id"] == network["id"]
    assert (found["share_proto"], found["availability_zone"]) == ("NFS", "nova")
    fits = {item["backend"]: item["fits"] for item in found["backends"]}
    assert fits == {"cluster": True, "site": False}
    assert "single_svm" in next(i["reason"] for i in found["backends"] if not i["fits"])
    people = cloud.openstack(*argv, "--share-network", "lab")
    assert "node1@cluster#fake: fits" in people
    assert "node1@site#fake: is single_svm" in people
    assert "share_network_id" in cloud.answer(*argv)["refused"]
    assert "(HTTP 404)" in refused(
        cloud, "share", "network", "explain", "--share-type", "nowhere", "--size", "1"
    )
    assert cloud.answer("share", "list") == []


def test_orphans(cloud: Any) -> None:
    """A repair is asked for, and what belongs to nobody is listed; refusals in its words."""
    (cloud.folder / "site.json").write_text('{"strays": ["part-1"]}')
    asked = cloud.answer("share", "orphan", "repair", "--backend", "site")
    assert [(item["Host"], item["Wanted"]) for item in asked] == [("node1@site", "repair")]
    listed = ("share", "orphan", "list", "--kind", "part", "--backend", "site", "--long")
    deadline = time.monotonic() + 60
    while not (found := cloud.answer(*listed)):
        assert time.monotonic() < deadline, "the audit did not come"
    (item,) = found
    assert (item["Resource"], item["Direction"]) == ("part-1", "missing_in_ledger")
    assert item["First Seen"]
    assert "(HTTP 404)" in refused(cloud, "share", "orphan", "audit", "--backend", "nowhere")


def test_manilaclient_keeps_its_commands(cloud: Any, network: Any) -> None:
    """Its list, show, set and unset do what they did."""
    listed = cloud.answer("share", "network", "list")
    assert [item["ID"] for item in listed] == [network["id"]]
    cloud.openstack("share", "network", "set", "lab", "--description", "text")
    assert cloud.answer("share", "network", "show", "lab")["description"] == "text"
    cloud.openstack("share", "network", "unset", "lab", "--description")
    assert not cloud.answer("share", "network", "show", "lab")["description"]


def test_no_command_of_theirs_is_overridden() -> None:
    """No name of ours is a name of any other command, in any group of the client's."""
    ours = entry_points(group="openstack.abaca.v1")
    assert len(ours) == 9
    theirs = {
        point.name
        for group in entry_points().groups
        if group.startswith("openstack.") and group != "openstack.abaca.v1"
        for point in entry_points(group=group)
    }
    assert "share_network_list" in theirs
    assert not theirs & {point.name for point in ours}
