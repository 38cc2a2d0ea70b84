"""Credentials of network plugins at a real Keystone, and a real nova that asks it too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from abaca.db.database import Database
from abaca.modes import DriverMode
from abaca.network.nova import NovaPlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from support.keystone.cloud import PASSWORD, Cloud
from support.nova.server import VLAN, NovaServer
from support.nova.world import left_in, plugin_on

pytestmark = pytest.mark.xdist_group("keystone")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database that does not wait for the disk."""
    made = Database(f"sqlite:///{tmp_path}/abaca.db")
    event.listen(made.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous = OFF"))
    made.create_schema()
    yield made
    made.close()


def credentials(cloud: Cloud, **others: object) -> dict[str, object]:
    """A section as an operator writes it."""
    return {
        "auth_url": cloud.keystone.url,
        "username": "operator",
        "password": PASSWORD,
        "project_name": "services",
        "request_timeout": 60.0,
        **others,
    }


def test_a_life_with_a_password(cloud: Cloud, nova: NovaServer, database: Database) -> None:
    """Nova is found in the catalog; addresses are taken and given back, also after revocation."""
    plugin = plugin_on(database, credentials(cloud), DriverMode.MANAGED)
    project = nova.sql("SELECT project_id FROM networks WHERE uuid = ?", VLAN)[0][0]
    subnet = SubnetRef(key="share-net", project_id=project, net_id=VLAN)
    claim = Claim(owner="server1", label=Label.USER, subnet=subnet.key, index=0)
    found = plugin.allocate(subnet, [claim], host="host1")
    plugin.check(found)
    token = plugin._api._adapter.session.get_token()
    cloud.keystone.admin.delete("/auth/tokens", headers={"X-Subject-Token": token})
    plugin.release([claim])
    assert left_in(nova, database) == []


def test_findings(cloud: Cloud, nova: NovaServer) -> None:
    """`abaca config check` says what is wrong with credentials, rights and catalog."""
    assert nova.url

    def found(**values: object) -> list[str]:
        return NovaPlugin.findings("net1", credentials(cloud, **values), DriverMode.MANAGED)

    assert found() == []
    for lines, text in (
        (found(password="wrong"), "401"),
        (found(username="nobody"), "401"),
        (found(project_name="nowhere"), "401"),
        (found(username="alice", project_name="red"), "role admin"),
        (found(region_name="elsewhere"), "EndpointNotFound"),
        (found(interface="internal"), "EndpointNotFound"),
        (found(auth_url="http://127.0.0.1:9/v3"), "127.0.0.1:9"),
    ):
        assert len(lines) == 1
        assert lines[0].startswith("[net1] ")
        assert text in lines[0]
