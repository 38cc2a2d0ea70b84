"""Credentials of network plugins at a real Keystone, and a real nova that asks it too."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from abaca.db.database import Database
from abaca.errors import NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.nova import NovaPlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from support.keystone.cloud import Cloud, credentials
from support.nova.server import VLAN, NovaServer
from support.nova.world import left_in, plugin_on


def section(cloud: Cloud, **others: object) -> dict[str, object]:
    """As an operator writes it."""
    return credentials(cloud.keystone.url, **{"request_timeout": 60.0, **others})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Tenants' VLAN in nova, and a section that is yet to be understood."""

    cloud: Cloud
    nova: NovaServer
    database: Database

    @property
    def subnet(self) -> SubnetRef:
        """Of the project that the VLAN is of."""
        project = self.nova.sql("SELECT project_id FROM networks WHERE uuid = ?", VLAN)[0][0]
        return SubnetRef(key="share-net", project_id=project, net_id=VLAN)

    def plugin(self, **others: object) -> NovaPlugin:
        """An instance as the manager makes it."""
        return plugin_on(self.database, section(self.cloud, **others), DriverMode.MANAGED)

    def left(self) -> list[str]:
        """What share servers have."""
        return left_in(self.nova, self.database)


@pytest.fixture
def scene(cloud: Cloud, nova: NovaServer, database: Database) -> Scene:
    """Nothing is allocated."""
    made = Scene(cloud=cloud, nova=nova, database=database)
    assert made.left() == []
    return made


CLAIM = Claim(owner="server1", label=Label.USER, subnet="share-net", index=0)


def token_of(plugin: NovaPlugin) -> str:
    """The one that the plugin has now."""
    return str(plugin._api._adapter.session.get_token())


@pytest.mark.parametrize("kind", ["password", "application credential"])
def test_a_life(scene: Scene, kind: str) -> None:
    """Nova is found in the catalog; whenever its token is revoked, the plugin gets another."""
    more = {} if kind == "password" else scene.cloud.application_credential("operator")[0]
    plugin = scene.plugin(**more)
    found = plugin.allocate(scene.subnet, [CLAIM], host="host1")
    used = set()
    for verb in (
        plugin.status,
        lambda: plugin.check(found),
        lambda: plugin.allocate(scene.subnet, [CLAIM], host="host1"),
        lambda: plugin.release([CLAIM]),
    ):
        token = token_of(plugin)
        scene.cloud.revoke(token)
        used.add(token)
        verb()
    assert len(used) == 4
    assert scene.left() == []


def test_an_expired_token(scene: Scene, brief: str) -> None:
    """Tokens that last seconds, and a plugin that lives longer: it gets another."""
    plugin = scene.plugin(auth_url=brief)
    found = plugin.allocate(scene.subnet, [CLAIM], host="host1")
    token = scene.cloud.expire(plugin._api._adapter.session)
    plugin.check(found)
    assert token_of(plugin) != token
    plugin.release([CLAIM])
    assert scene.left() == []


def test_a_deleted_application_credential(scene: Scene) -> None:
    """Work waits, and says what to write; with good credentials the same address is given back."""
    more, where = scene.cloud.application_credential("operator")
    plugin = scene.plugin(**more)
    (found,) = plugin.allocate(scene.subnet, [CLAIM], host="host1")
    scene.cloud.session("operator").delete(where)
    for verb in (
        plugin.status,
        lambda: plugin.check([found]),
        lambda: plugin.allocate(scene.subnet, [CLAIM], host="host1"),
        lambda: plugin.release([CLAIM]),
    ):
        with pytest.raises(NetworkUnavailable, match="Application Credential") as told:
            verb()
        assert "write an auth_url, and an application_credential_id" in str(told.value)
        assert str(more["application_credential_secret"]) not in str(told.value)
    assert scene.left()
    scene.plugin().release([CLAIM])
    assert scene.left() == []
    (line,) = NovaPlugin.findings("net1", section(scene.cloud, **more), DriverMode.MANAGED)
    assert line.startswith("[net1] ")
    assert "application_credential_id" in line


def test_findings(cloud: Cloud, nova: NovaServer) -> None:
    """`abaca config check` says what is wrong with credentials, rights and catalog."""
    assert nova.url

    def found(**values: object) -> list[str]:
        return NovaPlugin.findings("net1", section(cloud, **values), DriverMode.MANAGED)

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
