"""One Abaca with four network plugins at work: standalone, two of Neutron, and nova."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from abaca.testing.wait import until
from support.configuration import FLAT, MANAGED, NET, Options, configuration
from support.keystone.cloud import Cloud, authtoken, credentials
from support.neutron.server import AGENT_HOST, NeutronServer
from support.nova.server import VLAN, NovaServer
from support.serving import serving

pytestmark = pytest.mark.timeout(300)
BACKENDS: dict[str, Options] = {
    "alone": {**FLAT, "network_config_group": "flat1"},
    "tenants": {**MANAGED, "network_config_group": "neutron1"},
    "lab": {**FLAT, "network_config_group": "neutron2"},
    "old": {**MANAGED, "network_config_group": "nova1", "availability_zone": "old"},
}
DEFAULT: Options = {
    "auth_strategy": "keystone",
    "report_seconds": 1,
    "share_server_idle_seconds": 1,
    "supervise_seconds": 1,
}
CIDRS = {
    "alone": "10.10.0.0/24",
    "tenants": "192.168.41.0/24",
    "lab": "10.41.0.0/24",
    "old": "10.60.0.0/27",
}
NEWEST = "2.78"
SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Abaca, Neutron and nova, as one of the people sees them."""

    cloud: Cloud
    url: str
    neutron_url: str
    sessions: dict[str, Session] = field(default_factory=dict)

    def call(
        self, user: str, method: str, path: str, body: object = None, *, version: str = NEWEST
    ) -> Any:
        """An answer of Abaca's that is no refusal."""
        headers = {"X-OpenStack-Manila-API-Version": version}
        answer = self._api(user, f"{self.url}/v2").request(path, method, json=body, headers=headers)
        return answer.json() if answer.content else None

    def neutron(self, user: str) -> Adapter:
        """Neutron's API."""
        return self._api(user, f"{self.neutron_url}/v2.0")

    def _api(self, user: str, url: str) -> Adapter:
        if user not in self.sessions:
            self.sessions[user] = self.cloud.session(user)
        return Adapter(self.sessions[user], endpoint_override=url)

    def network(self, user: str, name: str, cidr: str) -> tuple[str, str]:
        """A new network of the user's own; its ID and that of its subnet."""
        api = self.neutron(user)
        made = api.post("/networks", json={"network": {"name": name}}).json()["network"]["id"]
        body = {"network_id": made, "ip_version": 4, "cidr": cidr}
        return made, api.post("/subnets", json={"subnet": body}).json()["subnet"]["id"]

    def ports(self, tag: str) -> list[Any]:
        """Of that section's servers."""
        query = {"device_owner": f"{tag}:share-server"}
        return list(self.neutron("operator").get("/ports", params=query).json()["ports"])


def networks(keystone: str) -> dict[str, Options]:
    """The network sections of the backends."""
    operator, bob = credentials(keystone), credentials(keystone, "bob", "blue")
    neutron = {"network_plugin": "neutron"}
    return {
        "flat1": {**NET, "allowed_ip_ranges": "10.10.0.10-10.10.0.99"},
        "neutron1": {**neutron, **operator, "owner_tag": "one", "binding_host": AGENT_HOST},
        "neutron2": {**neutron, **bob, "owner_tag": "two", "network": "four-lab"},
        "nova1": {"network_plugin": "nova", **operator, "physical_network": "phys1"},
    }


@pytest.fixture
def site(
    cloud: Cloud,
    neutron: NeutronServer,
    nova: NovaServer,
    tmp_path: Path,
    stored: Mapping[str, Options],
) -> Iterator[Site]:
    """Running, with bob's network for all servers of one backend, and a type per backend."""
    project = nova.sql("SELECT project_id FROM networks WHERE uuid = ?", VLAN)[0][0]
    nova.sql("UPDATE networks SET project_id = ? WHERE uuid = ?", cloud.projects["red"], VLAN)
    file = configuration(
        tmp_path,
        BACKENDS,
        DEFAULT=DEFAULT,
        keystone_authtoken=authtoken(cloud.keystone.url),
        **networks(cloud.keystone.url),
        **stored,
    )
    made = Site(cloud=cloud, url="", neutron_url=neutron.url)
    made.network("bob", "four-lab", CIDRS["lab"])
    with serving(file, tmp_path / "abaca.log") as (url, _):
        yield Site(cloud=cloud, url=url, neutron_url=neutron.url)
    nova.sql("UPDATE networks SET project_id = ? WHERE uuid = ?", project, VLAN)


def share_on(site: Site, backend: str, network_id: str) -> str:
    """A share of alice's, which is being made; the ID."""
    specs = {"driver_handles_share_servers": "true", "share_backend_name": backend}
    if backend in {"tenants", "old"}:
        specs["driver_mode"] = "managed_multi_svm"
    kind = {"share_type": {"name": backend, "extra_specs": specs}}
    site.call("admin", "POST", "/types", kind)
    share = {"share_proto": "NFS", "size": 1, "share_type": backend, "share_network_id": network_id}
    found: str = site.call("alice", "POST", "/shares", {"share": share})["share"]["id"]
    return found


def available(site: Site, shares: Mapping[str, str]) -> bool:
    """True if all are; fails if one can't be."""
    found = {site.call("alice", "GET", f"/shares/{item}")["share"]["status"]
             for item in shares.values()}  # fmt: skip
    assert "error" not in found, site.call("alice", "GET", "/messages")
    return found == {"available"}


def test_one_share_network_on_four_backends(site: Site, nova: NovaServer) -> None:
    """Each backend's server has an address of its own plugin; with the shares all of it goes."""
    net, subnet = site.network("alice", "four-hers", CIDRS["tenants"])
    # Everywhere it is a network of nova; in the first zone one of Neutron.
    body: Any = {"share_network": {"nova_net_id": VLAN}}
    network = site.call("alice", "POST", "/share-networks", body, version="2.25")["share_network"]
    body = {"neutron_net_id": net, "neutron_subnet_id": subnet, "availability_zone": "nova"}
    path = f"/share-networks/{network['id']}"
    site.call("alice", "POST", f"{path}/subnets", {"share-network-subnet": body})

    shares = {backend: share_on(site, backend, network["id"]) for backend in CIDRS}
    until(lambda: available(site, shares), "the shares are available", seconds=SECONDS)

    servers = {
        item["host"].partition("@")[2]: item
        for item in site.call("admin", "GET", "/share-servers")["share_servers"]
    }
    assert set(servers) == set(CIDRS)
    assert {item["share_network_id"] for item in servers.values()} == {network["id"]}
    addresses = {}
    for backend, share in shares.items():
        locations = site.call("alice", "GET", f"/shares/{share}/export_locations")
        (location,) = locations["export_locations"]
        addresses[backend] = location["path"].partition(":")[0]
        assert ip_address(addresses[backend]) in ip_network(CIDRS[backend])
    for tag, backend in (("one", "tenants"), ("two", "lab")):
        (port,) = site.ports(tag)
        assert port["device_id"] == servers[backend]["id"]
        assert port["fixed_ips"][0]["ip_address"] == addresses[backend]
    assert nova.reserved() - nova.reserved_at_first() == {addresses["old"]}

    for share in shares.values():
        site.call("alice", "DELETE", f"/shares/{share}")
    until(
        lambda: not site.call("admin", "GET", "/share-servers")["share_servers"],
        "the share servers go",
        seconds=SECONDS,
    )
    assert not site.ports("one")
    assert not site.ports("two")
    assert nova.reserved() == nova.reserved_at_first()
    site.call("alice", "DELETE", path)
