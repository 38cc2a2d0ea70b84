"""openstacksdk's `shared_file_system` proxy, at its default versions, against `abaca serve`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import openstack
import pytest

# Of the library about itself.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


def connect(cloud: Any, **options: str) -> Any:
    """A connection as an application makes it."""
    names = cloud.credentials
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url=names["OS_AUTH_URL"],
        username=names["OS_USERNAME"],
        password=names["OS_PASSWORD"],
        project_name=names["OS_PROJECT_NAME"],
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        **options,
    )


@pytest.fixture(scope="module")
def proxy(cloud: Any) -> Iterator[Any]:
    """The proxy at the library's default versions, and a share type to create with."""
    cloud.openstack("share", "type", "create", "single", "false", "--snapshot-support", "true")
    connection = connect(cloud)
    yield connection.shared_file_system
    connection.close()


@pytest.fixture(scope="module")
def newer(cloud: Any) -> Iterator[Any]:
    """The proxy at a version that the application names.

    By default the library sends no version, which is 2.0. Its names of actions and its
    subnets of share networks are of 2.7 and 2.51.
    """
    connection = connect(cloud, shared_file_system_default_microversion="2.65")
    yield connection.shared_file_system
    connection.close()


def test_a_share_from_create_to_delete(proxy: Any, newer: Any) -> None:
    """Create, wait, list, resize, access rule, export location, update, delete."""
    share = proxy.create_share(name="sdk", size=1, share_protocol="NFS", share_type="single")
    share = proxy.wait_for_status(share, "available", interval=0.2, wait=60)
    assert [item.name for item in proxy.shares()] == ["sdk"]
    rule = proxy.create_access_rule(
        share.id, access_type="ip", access_to="10.0.0.7", access_level="rw"
    )
    assert [item.access_to for item in proxy.access_rules(share)] == ["10.0.0.7"]
    proxy.delete_access_rule(rule.id, share.id)
    locations = list(proxy.export_locations(share))
    assert ":/" in locations[0].path
    newer.resize_share(share.id, 2)
    share = proxy.wait_for_status(proxy.get_share(share.id), "available", interval=0.2, wait=60)
    assert share.size == 2
    assert proxy.update_share(share.id, display_description="text").name == "sdk"
    proxy.delete_share(share.id)
    proxy.wait_for_delete(share, interval=0.2, wait=60)
    assert list(proxy.shares()) == []


def test_share_networks_and_subnets(proxy: Any, newer: Any) -> None:
    """Made, listed, given another subnet, removed."""
    network = proxy.create_share_network(name="sdk")
    assert [item.name for item in proxy.share_networks()] == ["sdk"]
    assert len(list(newer.share_network_subnets(network.id))) == 0
    subnet = newer.create_share_network_subnet(network.id, availability_zone="nova")
    assert len(list(newer.share_network_subnets(network.id))) == 1
    newer.delete_share_network_subnet(network.id, subnet.id)
    proxy.delete_share_network(network.id)
    deadline = time.monotonic() + 30
    while list(proxy.share_networks()):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_snapshots(proxy: Any) -> None:
    """Made of a share, listed, removed."""
    share = proxy.create_share(name="src", size=1, share_protocol="NFS", share_type="single")
    proxy.wait_for_status(share, "available", interval=0.2, wait=60)
    snapshot = proxy.create_share_snapshot(share_id=share.id, name="snap")
    proxy.wait_for_status(snapshot, "available", interval=0.2, wait=60)
    assert [item.name for item in proxy.share_snapshots()] == ["snap"]
    proxy.delete_share_snapshot(snapshot.id)
    proxy.wait_for_delete(snapshot, interval=0.2, wait=60)
    proxy.delete_share(share.id)
    proxy.wait_for_delete(share, interval=0.2, wait=60)


def test_what_is_there(proxy: Any) -> None:
    """Availability zones, pools, limits, and no user message yet."""
    assert [item.name for item in proxy.availability_zones()] == ["nova"]
    assert {item.name for item in proxy.storage_pools()} == {
        "node1@site#fake",
        "node1@cluster#fake",
    }
    assert list(proxy.limits())
    assert list(proxy.user_messages()) == []
