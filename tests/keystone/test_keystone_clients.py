"""Clients that log in to a real Keystone and find Abaca in its catalog."""

from __future__ import annotations

import time
from typing import Any

import openstack
import pytest
from manilaclient import client as manila
from manilaclient.common.apiclient import exceptions as refusals

from support.keystone.cloud import PASSWORD, TYPES, Cloud
from support.keystone.server import REGION

pytestmark = [
    pytest.mark.usefixtures("databases"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def manilaclient(cloud: Cloud, user: str, service_type: str = "sharev2") -> Any:
    """python-manilaclient, as a program uses it."""
    return manila.Client(
        "2.65", session=cloud.session(user), service_type=service_type, region_name=REGION
    )


@pytest.fixture(scope="module")
def share_type(cloud: Cloud) -> str:
    """A type that the administrator made."""
    made = manilaclient(cloud, "admin").share_types.create(
        "single", spec_driver_handles_share_servers=False
    )
    return str(made.name)


def test_manilaclient(cloud: Cloud, share_type: str) -> None:
    """Create, list, delete as a member; what other projects and readers may not."""
    alice, bob, rita = (manilaclient(cloud, name) for name in ("alice", "bob", "rita"))
    made = alice.shares.create("NFS", 1, name="hers", share_type=share_type)
    end = time.monotonic() + 60
    while (share := alice.shares.get(made.id)).status != "available":
        assert time.monotonic() < end, share.status
        time.sleep(0.5)
    assert share.project_id == cloud.projects["red"]
    assert [item.id for item in rita.shares.list()] == [made.id]
    assert bob.shares.list() == []
    with pytest.raises(refusals.NotFound):
        bob.shares.get(made.id)
    with pytest.raises(refusals.Forbidden):
        rita.shares.delete(made.id)
    with pytest.raises(refusals.Forbidden):
        alice.services.list()
    everybody = manilaclient(cloud, "admin").shares.list(search_opts={"all_tenants": 1})
    assert [item.id for item in everybody] == [made.id]
    alice.shares.delete(made.id)
    while alice.shares.list():
        assert time.monotonic() < end
        time.sleep(0.5)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_in_the_catalog(cloud: Cloud, kind: str) -> None:
    """Clients of any age find the service under the type that they look for."""
    assert manilaclient(cloud, "alice", kind).shares.list() == []


def test_openstacksdk(cloud: Cloud, share_type: str) -> None:
    """A connection with a password finds the service and drives it."""
    with openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_url=cloud.keystone.url,
        username="alice",
        password=PASSWORD,
        project_name="red",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
    ) as connection:
        proxy = connection.shared_file_system
        share = proxy.create_share(name="sdk", size=1, share_protocol="NFS", share_type=share_type)
        share = proxy.wait_for_status(share, "available", interval=1, wait=60)
        assert [item.name for item in proxy.shares()] == ["sdk"]
        proxy.delete_share(share.id)
        proxy.wait_for_delete(share, interval=1, wait=60)


def test_command_line(cloud: Cloud) -> None:
    """`openstack share ...` with a password; a wrong project is refused by Keystone."""
    done = cloud.openstack("alice", "share", "list", "-f", "json")
    assert (done.returncode, done.stdout.strip()) == (0, "[]")
