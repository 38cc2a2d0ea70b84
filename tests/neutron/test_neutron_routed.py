"""Connectivity ``routed``: what the tenant must have, what it gets, and what is left."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from sqlalchemy import select

from abaca.db import tables
from abaca.db.database import Database
from abaca.errors import InvalidNetwork, NetworkError, NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.bound import Binding, BoundManaged
from abaca.network.neutron import NeutronPlugin
from abaca.network.plugin import Claim, Label, Route, SubnetRef
from network.worlds import share_server
from support.fault_proxy import Fault, fault_proxy
from support.neutron.world import TENANT, Cloud, plugin_on, values

pytestmark = pytest.mark.timeout(300)

SUPERNET = ip_network("10.254.0.0/16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A tenant's network with a router, and a section."""

    cloud: Cloud
    network: dict[str, Any]
    router: dict[str, Any]
    section: dict[str, object]
    subnet: SubnetRef

    def plugin(self, **more: object) -> NeutronPlugin:
        """A new instance."""
        return plugin_on({**self.section, **more}, DriverMode.MANAGED)

    def claim(self) -> Claim:
        """Of a new share server."""
        owner = str(uuid.uuid4())
        return Claim(owner=owner, label=Label.USER, subnet=self.subnet.key, index=0)

    def interfaces(self) -> list[dict[str, Any]]:
        """The router's ports on networks other than the tenant's."""
        found = self.cloud.ports(device_id=self.router["id"])
        return [item for item in found if item["network_id"] != self.network["id"]]

    def left(self) -> list[str]:
        """What of ours is in Neutron."""
        return self.cloud.left(str(self.section["owner_tag"]))


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    """As tenants have it."""
    network = cloud.network("192.168.20.0/24")
    more = {"connectivity": "routed", "service_cidr": str(SUPERNET), "service_prefix": 28}
    return Scene(
        cloud=cloud,
        network=network,
        router=cloud.router(*network["subnet_list"]),
        section=values(cloud.url, **more),
        subnet=SubnetRef(
            key=str(uuid.uuid4()),
            project_id=TENANT,
            net_id=network["id"],
            subnet_id=network["subnet_list"][0]["id"],
        ),
    )


def test_the_tenants_router_is_the_gateway(scene: Scene):
    """Servers sit on a carved subnet whose gateway the tenant's router is; all goes with it."""
    plugin, claim = scene.plugin(), scene.claim()
    plugin.ensure_network(scene.subnet, host="h")
    found = plugin.allocate(scene.subnet, [claim], host="h")
    plugin.check(found)
    part = found[0].segment.subnets[0]
    assert part.cidr.prefixlen == 28
    assert part.cidr.subnet_of(SUPERNET)
    (interface,) = scene.interfaces()
    assert ip_address(interface["fixed_ips"][0]["ip_address"]) == part.gateway
    assert plugin.tenant_routes(scene.subnet) == ()
    plugin.remove_network(scene.subnet, host="h")
    plugin.check(found)
    plugin.release([claim])
    plugin.remove_network(scene.subnet, host="h")
    assert not scene.left()
    assert not scene.interfaces()


def test_dual_stack(scene: Scene):
    """With two supernets, the network has a subnet of each, and the router both gateways."""
    plugin = scene.plugin(ipv6_service_cidr="fd00:254::/48")
    plugin.ensure_network(scene.subnet, host="h")
    plugin.ensure_network(scene.subnet, host="h")
    found = plugin.allocate(scene.subnet, [scene.claim()], host="h")
    assert [item.cidr.version for item in found[0].segment.subnets] == [4, 6]
    gateways = {
        ip_address(one["ip_address"]) for item in scene.interfaces() for one in item["fixed_ips"]
    }
    assert gateways == {item.gateway for item in found[0].segment.subnets}


def test_no_router(scene: Scene):
    """A subnet without a router: the message says what to make, and nothing is left."""
    alone = scene.cloud.network("192.168.21.0/24")
    subnet = SubnetRef(key="k", project_id=TENANT, net_id=alone["id"])
    with pytest.raises(InvalidNetwork, match=r"has no router; .* make a router, and add"):
        scene.plugin().ensure_network(subnet, host="h")
    assert not scene.left()


def test_router_that_is_not_the_gateway(scene: Scene):
    """Machines of the tenant are told the route if their gateway is another."""
    network = scene.cloud.network()
    part = scene.cloud.subnet(network, "192.168.22.0/24", gateway_ip="192.168.22.254")
    router = scene.cloud.router()
    port = {"network_id": network["id"], "fixed_ips": [{"ip_address": "192.168.22.5"}]}
    made = scene.cloud.call("POST", "/ports", {"port": {**port, "project_id": TENANT}})["port"]
    path = f"/routers/{router['id']}/add_router_interface"
    scene.cloud.call("PUT", path, {"port_id": made["id"]})
    subnet = SubnetRef(
        key=str(uuid.uuid4()), project_id=TENANT, net_id=network["id"], subnet_id=part["id"]
    )
    plugin = scene.plugin()
    plugin.ensure_network(subnet, host="h")
    ours = plugin.describe(subnet).subnets[0].cidr
    hop = ip_address("192.168.22.5")
    assert plugin.tenant_routes(subnet) == (Route(destination=ours, next_hop=hop),)


def test_overlap_is_avoided(scene: Scene):
    """What the router reaches already, by its subnets or its routes, is carved around."""
    taken = scene.cloud.network("10.254.0.0/24")
    path = f"/routers/{scene.router['id']}"
    interface = {"subnet_id": taken["subnet_list"][0]["id"]}
    scene.cloud.call("PUT", f"{path}/add_router_interface", interface)
    routes = [{"destination": "10.254.1.0/24", "nexthop": "192.168.20.77"}]
    scene.cloud.call("PUT", path, {"router": {"routes": routes}})
    plugin = scene.plugin()
    plugin.ensure_network(scene.subnet, host="h")
    assert plugin.describe(scene.subnet).subnets[0].cidr == ip_network("10.254.2.0/28")


def test_overlap_that_can_not_be_avoided(scene: Scene):
    """A supernet that lies in the tenant's subnets: the message says what to configure."""
    plugin = scene.plugin(service_cidr="192.168.20.0/26")
    with pytest.raises(InvalidNetwork, match=r"192\.168\.20\.0/24.*configure another or a larger"):
        plugin.ensure_network(scene.subnet, host="h")
    plugin.remove_network(scene.subnet, host="h")
    assert not scene.left()


def test_quota_of_networks(scene: Scene):
    """A used up quota says which, and nothing is left."""
    project = uuid.uuid4().hex
    scene.cloud.call("PUT", f"/quotas/{project}", {"quota": {"network": 0}})
    with pytest.raises(InvalidNetwork, match=r"quota is used up .*network"):
        scene.plugin(noauth_project_id=project).ensure_network(scene.subnet, host="h")
    assert not scene.left()


def test_quota_of_subnets(scene: Scene):
    """It is named, and what was made before it was reached is used, or goes."""
    project = uuid.uuid4().hex
    plugin = scene.plugin(noauth_project_id=project)
    scene.cloud.call("PUT", f"/quotas/{project}", {"quota": {"subnet": 0}})
    with pytest.raises(InvalidNetwork, match=r"quota is used up .*subnet"):
        plugin.ensure_network(scene.subnet, host="h")
    scene.cloud.call("PUT", f"/quotas/{project}", {"quota": {"subnet": 10}})
    plugin.ensure_network(scene.subnet, host="h")
    assert len(scene.interfaces()) == 1
    plugin.remove_network(scene.subnet, host="h")
    assert not scene.left()
    assert not scene.interfaces()


def with_helper(scene: Scene, section: dict[str, object], database: Database) -> BoundManaged:
    """What a new share server on the scene's network gets its addresses by."""
    binding = Binding(
        plugin=plugin_on(section, DriverMode.MANAGED),
        database=database,
        section="net",
        server_id=share_server(database),
        subnets=(scene.subnet,),
        host="h",
    )
    return BoundManaged(binding)


def held(database: Database) -> list[object]:
    """Rows of addresses."""
    with database.read() as tx:
        return list(tx.execute(select(tables.allocations)))


def test_quota_of_ports(scene: Scene, database: Database):
    """Network and interface were made before it was reached: they go with the refusal."""
    project = uuid.uuid4().hex
    scene.cloud.call("PUT", f"/quotas/{project}", {"quota": {"port": 0}})
    helper = with_helper(scene, {**scene.section, "noauth_project_id": project}, database)
    with pytest.raises(InvalidNetwork, match=r"quota is used up .*port.*raise it") as refused:
        helper.interfaces(1)
    assert refused.value.told.startswith("A quota of the network service is used up")
    assert not scene.left()
    assert not scene.interfaces()
    assert held(database) == []


OVER_QUOTA = {
    "NeutronError": {
        "type": "OverQuota",
        "message": "Quota exceeded for resources: ['port'].",
        "detail": "",
    }
}


def test_quota_of_the_routers_ports(scene: Scene, database: Database):
    """An interface is a port of the tenant's, who is told so; the operator, too. Nothing stays."""
    refusal = Fault(status=409, body=json.dumps(OVER_QUOTA).encode())
    with fault_proxy(scene.cloud.url) as proxy:
        section = {**scene.section, "endpoint_override": proxy.url}
        helper = with_helper(scene, section, database)
        with (
            proxy.failing(refusal, "add_router_interface"),
            pytest.raises(InvalidNetwork, match=r"quota is used up .*port.*router's") as refused,
        ):
            helper.interfaces(1)
        assert scene.router["id"] in str(refused.value)
        assert refused.value.told.startswith("The quota of ports of your project")
        assert not scene.left()
        assert held(database) == []
        helper.interfaces(1)
        assert len(scene.interfaces()) == 1
        helper.release_all()
    assert not scene.left()


def test_neutron_has_no_quota_of_its_routers_ports(scene: Scene):
    """Its own router service counts them, and refuses none: share servers get their network."""
    project = uuid.uuid4().hex
    network = scene.cloud.network("192.168.23.0/24", project=project)
    router = scene.cloud.router(*network["subnet_list"], project=project)
    scene.cloud.call("PUT", f"/quotas/{project}", {"quota": {"port": 1}})
    subnet = SubnetRef(key=str(uuid.uuid4()), project_id=project, net_id=network["id"])
    scene.plugin().ensure_network(subnet, host="h")
    assert len(scene.cloud.ports(device_id=router["id"])) == 2
    scene.plugin().remove_network(subnet, host="h")
    assert not scene.left()


def test_router_port_is_waited_for(scene: Scene):
    """With wait_active: the share server's port is up, and the router's is not yet."""
    plugin, claim = scene.plugin(wait_active=True), scene.claim()
    plugin.ensure_network(scene.subnet, host="h")
    found = plugin.allocate(scene.subnet, [claim], host="h")
    scene.plugin().check(found)
    network_id = scene.interfaces()[0]["network_id"]
    assert plugin._service is not None
    with pytest.raises(NetworkUnavailable, match=r"router's port .* is not ACTIVE yet"):
        plugin._service.joined(network_id, active=True)
    with pytest.raises(NetworkUnavailable, match="not ACTIVE yet"):
        plugin.check(found)


def test_overlap_that_comes_later(scene: Scene):
    """The tenant routes our subnet elsewhere afterwards: what is there stays, and works."""
    plugin, claim = scene.plugin(), scene.claim()
    plugin.ensure_network(scene.subnet, host="h")
    found = plugin.allocate(scene.subnet, [claim], host="h")
    ours = found[0].segment.subnets[0].cidr
    path = f"/routers/{scene.router['id']}"
    routes = [{"destination": str(ours.supernet(new_prefix=24)), "nexthop": "192.168.20.77"}]
    scene.cloud.call("PUT", path, {"router": {"routes": routes}})
    plugin.ensure_network(scene.subnet, host="h")
    assert plugin.allocate(scene.subnet, [claim], host="h") == found
    plugin.check(found)
    plugin.release([claim])
    plugin.remove_network(scene.subnet, host="h")
    assert not scene.left()


def test_interface_taken_away(scene: Scene):
    """A tenant that removed our interface gets it back; until then servers are unavailable."""
    plugin, claim = scene.plugin(), scene.claim()
    plugin.ensure_network(scene.subnet, host="h")
    found = plugin.allocate(scene.subnet, [claim], host="h")
    (interface,) = scene.interfaces()
    path = f"/routers/{scene.router['id']}/remove_router_interface"
    scene.cloud.call("PUT", path, {"port_id": interface["id"]})
    with pytest.raises(NetworkUnavailable, match="no router has an interface"):
        plugin.check(found)
    plugin.ensure_network(scene.subnet, host="h")
    plugin.check(found)
    assert plugin.allocate(scene.subnet, [claim], host="h") == found


def test_made_by_several_at_once(scene: Scene):
    """Hosts that need the network at the same moment end up with one network and one subnet."""

    def until_done(plugin: NeutronPlugin) -> None:
        for _ in range(20):
            try:
                plugin.ensure_network(scene.subnet, host="h")
            except NetworkUnavailable:
                continue
            return
        pytest.fail("it does not converge")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(until_done, [scene.plugin() for _ in range(4)]))
    scene.plugin().ensure_network(scene.subnet, host="h")
    assert len(scene.plugin().describe(scene.subnet).subnets) == 1
    assert len(scene.left()) == 2, "a network and the router's port on it"


def test_two_subnets_at_a_time(scene: Scene):
    """While another host's subnet is beside ours nothing is refused; the next look mends it.

    The one that the router is on stays, whichever was made first.
    """
    plugin = scene.plugin()
    plugin.ensure_network(scene.subnet, host="h")
    (ours,) = plugin.describe(scene.subnet).subnets
    (made,) = {item["network_id"] for item in scene.interfaces()}
    network = scene.cloud.call("GET", f"/networks/{made}")["network"]
    scene.cloud.subnet(network, "10.254.255.0/28")
    with pytest.raises(NetworkUnavailable):
        plugin.describe(scene.subnet)
    plugin.ensure_network(scene.subnet, host="h")
    assert plugin.describe(scene.subnet).subnets == (ours,)

    (interface,) = scene.interfaces()
    path = f"/routers/{scene.router['id']}"
    time.sleep(1.1)  # Neutron's times are whole seconds
    other = scene.cloud.subnet(network, "10.254.255.0/28")
    scene.cloud.call("PUT", f"{path}/remove_router_interface", {"port_id": interface["id"]})
    scene.cloud.call("PUT", f"{path}/add_router_interface", {"subnet_id": other["id"]})
    plugin.ensure_network(scene.subnet, host="h")
    (kept,) = plugin.describe(scene.subnet).subnets
    assert kept.cidr == ip_network("10.254.255.0/28")


def test_servers_come_and_go_at_once(scene: Scene):
    """Removal by one server's host while another's arrives: nobody is left without a network."""
    plugin = scene.plugin()

    def life(_: int) -> str:
        claim = scene.claim()
        for _ in range(30):
            try:
                plugin.ensure_network(scene.subnet, host="h")
                plugin.check(plugin.allocate(scene.subnet, [claim], host="h"))
                break
            except NetworkUnavailable:
                continue
        else:
            return "never came up"
        for _ in range(30):
            try:
                plugin.release([claim])
                plugin.remove_network(scene.subnet, host="h")
            except NetworkUnavailable:
                continue
            except NetworkError as error:
                return repr(error)
            return "fine"
        return "never went away"

    with ThreadPoolExecutor(3) as threads:
        assert set(threads.map(life, range(6))) == {"fine"}
    plugin.remove_network(scene.subnet, host="h")
    assert not scene.left()


def test_orphaned_networks_are_collected(scene: Scene):
    """A network that no claim needs goes, if it is old enough and ours; a namesake stays."""
    plugin = scene.plugin()
    plugin.ensure_network(scene.subnet, host="h")
    namesake = scene.cloud.network(name=f"{scene.section['owner_tag']}/{uuid.uuid4()}")
    later = datetime.now(UTC) + timedelta(hours=1)
    assert plugin.collect([scene.claim()], later) == []
    assert plugin.collect([], later - timedelta(hours=2)) == []
    removed = plugin.collect([], later)
    assert [scene.subnet.key in line for line in removed] == [True]
    assert scene.left() == [namesake["id"]]
    assert not scene.interfaces()
