"""The Neutron plugin's credentials: at a real Keystone, for a real Neutron that asks it too."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter

from abaca.errors import NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from support.keystone.cloud import PASSWORD, Cloud, credentials
from support.neutron.server import AGENT_HOST, NeutronServer
from support.neutron.world import plugin_on

pytestmark = pytest.mark.timeout(300)
FLAT, MANAGED = DriverMode.FLAT, DriverMode.MANAGED


def section(cloud: Cloud, **others: object) -> dict[str, object]:
    """As an operator writes it, for a deployment that nobody else is."""
    usual = {
        "owner_tag": f"abaca-{uuid.uuid4().hex[:8]}",
        "binding_host": AGENT_HOST,
        "request_timeout": 60.0,
    }
    return credentials(cloud.keystone.url, **{**usual, **others})


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A network of alice's."""

    api: Adapter
    id: str
    subnet: SubnetRef

    def claim(self) -> Claim:
        """Of a new share server."""
        return Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet=self.subnet.key, index=0)

    def ports(self, tag: object) -> list[Any]:
        """A deployment's."""
        query = {"device_owner": f"{tag}:share-server"}
        return list(self.api.get("/ports", params=query).json()["ports"])


@pytest.fixture(scope="module")
def net(cloud: Cloud, neutron: NeutronServer) -> Net:
    """She makes it herself, with a token of her own."""
    alice = Adapter(cloud.session("alice"), endpoint_override=f"{neutron.url}/v2.0")
    network = alice.post("/networks", json={"network": {"name": "hers"}}).json()["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "192.168.31.0/24"}
    alice.post("/subnets", json={"subnet": subnet})
    operator = Adapter(cloud.session("operator"), endpoint_override=f"{neutron.url}/v2.0")
    return Net(
        api=operator,
        id=network["id"],
        subnet=SubnetRef(
            key=str(uuid.uuid4()), project_id=cloud.projects["red"], net_id=network["id"]
        ),
    )


def revoke(cloud: Cloud, plugin: NeutronPlugin) -> str:
    """The token that the plugin has is good for nothing any more; the token."""
    token = str(plugin.remote.session().get_token())
    cloud.revoke(token)
    return token


@pytest.mark.parametrize("kind", ["password", "application credential"])
def test_a_life(cloud: Cloud, net: Net, kind: str) -> None:
    """Neutron is found in the catalog; after its token was revoked the plugin gets another."""
    more = {} if kind == "password" else cloud.application_credential("operator")[0]
    values = section(cloud, **more)
    plugin, claim = plugin_on(values, MANAGED), net.claim()
    found = plugin.allocate(net.subnet, [claim], host="h")
    plugin.check(found)
    assert [port["id"] for port in net.ports(values["owner_tag"])] == [found[0].id]
    token = revoke(cloud, plugin)
    assert plugin.allocate(net.subnet, [claim], host="h") == found
    assert plugin.remote.session().get_token() != token
    revoke(cloud, plugin)
    plugin.release([claim])
    assert net.ports(values["owner_tag"]) == []


def test_an_expired_token(cloud: Cloud, net: Net, brief: str) -> None:
    """Tokens that last seconds, and a plugin that lives longer: it gets another."""
    plugin = plugin_on(section(cloud, auth_url=brief), MANAGED)
    claim = net.claim()
    found = plugin.allocate(net.subnet, [claim], host="h")
    token = cloud.expire(plugin.remote.session())
    plugin.check(found)
    assert plugin.remote.session().get_token() != token
    plugin.release([claim])


def test_withdrawn_credentials(cloud: Cloud, net: Net) -> None:
    """Work waits, and says why; with new credentials the same port is found and goes."""
    more, where = cloud.application_credential("operator")
    values = section(cloud, **more)
    plugin, claim = plugin_on(values, MANAGED), net.claim()
    found = plugin.allocate(net.subnet, [claim], host="h")
    cloud.session("operator").delete(where)
    for call in (plugin.status, lambda: plugin.release([claim])):
        with pytest.raises(NetworkUnavailable, match="Application Credential") as told:
            call()
        assert "write an auth_url, and an application_credential_id" in str(told.value)
        assert str(more["application_credential_secret"]) not in str(told.value)
    assert [port["id"] for port in net.ports(values["owner_tag"])] == [found[0].id]
    plugin_on(section(cloud, owner_tag=values["owner_tag"]), MANAGED).release([claim])
    assert net.ports(values["owner_tag"]) == []


WRONG: list[tuple[DriverMode, dict[str, object], str]] = [
    (MANAGED, {"password": "wrong"}, "the credentials are refused"),
    (MANAGED, {"username": "nobody"}, "the credentials are refused"),
    (MANAGED, {"project_name": "nowhere"}, "the credentials are refused"),
    (MANAGED, {"region_name": "elsewhere"}, "region_name elsewhere"),
    (MANAGED, {"interface": "internal"}, "interface internal"),
    (MANAGED, {"auth_url": "http://127.0.0.1:1/v3"}, "can't be reached"),
    (MANAGED, {"endpoint_override": "http://127.0.0.1:1"}, "can't be reached"),
    (MANAGED, {"endpoint_override": "KEYSTONE"}, "is the endpoint right?"),
    (FLAT, {"network": "lab"}, "network: Neutron has no network 'lab'"),
    (FLAT, {"network": "NET", "subnet": ["v6"]}, "subnet: 'v6': the network has no such subnet"),
    (
        MANAGED,
        {"connectivity": "routed", "service_cidr": "10.254.0.0/16"},
        "Neutron has no extension router: connectivity = routed needs routers",
    ),
    (
        MANAGED,
        {"username": "alice", "project_name": "red"},
        "may not see provider attributes (provider:network_type)",
    ),
]


@pytest.mark.parametrize(("mode", "change", "text"), WRONG, ids=lambda item: str(item)[:50])
def test_findings(
    cloud: Cloud, net: Net, mode: DriverMode, change: dict[str, object], text: str
) -> None:
    """`abaca config check` has one line for what is wrong, and no secrets in it."""
    known = {"KEYSTONE": cloud.keystone.root, "NET": net.id}
    change = {name: known.get(str(value), value) for name, value in change.items()}
    (line,) = NeutronPlugin.findings("net2", section(cloud, **change), mode)
    assert line.startswith("[net2] ")
    assert text in line
    assert PASSWORD not in line


def test_no_findings(cloud: Cloud, net: Net) -> None:
    """Nothing is said against sections that work, one with an application credential."""
    more, _ = cloud.application_credential("operator")
    for mode, values in ((MANAGED, {}), (FLAT, {"network": "hers"}), (MANAGED, more)):
        assert NeutronPlugin.findings("net2", section(cloud, **values), mode) == []
    assert net.id
