"""Which networks the plugin takes, and what it says of those that it doesn't."""

from __future__ import annotations

import uuid
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from abaca.errors import InvalidNetwork, NetworkNotFound, NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.plugin import Claim, Label, NetworkType, Route, SubnetRef
from support.neutron.server import AGENT_HOST
from support.neutron.world import OTHER_TENANT, TENANT, Cloud, plugin_on, values

pytestmark = pytest.mark.timeout(300)


def managed(cloud: Cloud, **more: object) -> NeutronPlugin:
    """A managed section on the cloud."""
    return plugin_on(values(cloud.url, **more), DriverMode.MANAGED)


def flat(cloud: Cloud, **more: object) -> NeutronPlugin:
    """A flat section on the cloud."""
    return plugin_on(values(cloud.url, **more), DriverMode.FLAT)


def ref(network: dict[str, Any], subnet: int | None = None, project: str = TENANT) -> SubnetRef:
    """A share network subnet that names the network, and one of its subnets."""
    one = None if subnet is None else network["subnet_list"][subnet]["id"]
    key = str(uuid.uuid4())
    return SubnetRef(key=key, project_id=project, net_id=network["id"], subnet_id=one)


def claim(subnet: SubnetRef) -> Claim:
    """Of a new share server."""
    return Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet=subnet.key, index=0)


VLAN = {
    "provider:network_type": "vlan",
    "provider:physical_network": "physnet1",
    "provider:segmentation_id": 150,
}


def test_segment_is_what_neutron_says(cloud: Cloud):
    """Type, ID, physical network, MTU, gateway and host routes come from the network."""
    network = cloud.network(mtu=1480, **VLAN)
    route = {"destination": "172.16.0.0/12", "nexthop": "10.1.0.9"}
    subnet = cloud.subnet(network, "10.1.0.0/24", gateway_ip="10.1.0.254", host_routes=[route])
    network["subnet_list"] = [subnet]
    found = managed(cloud).describe(ref(network, 0))
    cloud.clear(network["id"])
    assert found.network_type is NetworkType.VLAN
    assert (found.segmentation_id, found.physical_network, found.mtu) == (150, "physnet1", 1480)
    assert found.subnets[0].gateway == ip_address("10.1.0.254")
    assert found.subnets[0].routes == (
        Route(destination=ip_network("172.16.0.0/12"), next_hop=ip_address("10.1.0.9")),
    )


def test_segment_by_physical_network(cloud: Cloud):
    """Of several segments the configured one is taken; without it, the message names them."""
    segments = [{**VLAN, "provider:segmentation_id": 160}]
    segments.append({**segments[0], "provider:physical_network": "physnet2"})
    segments[1]["provider:segmentation_id"] = 260
    network = cloud.network("10.2.0.0/24", segments=segments)
    found = managed(cloud, physical_network="physnet2").describe(ref(network))
    assert (found.physical_network, found.segmentation_id) == ("physnet2", 260)
    for wrong in (None, "physnet9"):
        with pytest.raises(InvalidNetwork, match="segments, on physnet1, physnet2; write one"):
            managed(cloud, physical_network=wrong).describe(ref(network))
    cloud.clear(network["id"])


def test_other_projects_networks_are_not_found(cloud: Cloud):
    """A network of another project is as good as missing, until it is shared."""
    network = cloud.network("10.3.0.0/24", project=OTHER_TENANT)
    plugin = managed(cloud)
    with pytest.raises(NetworkNotFound) as foreign:
        plugin.describe(ref(network))
    missing = SubnetRef(key="k", project_id=TENANT, net_id=str(uuid.uuid4()))
    with pytest.raises(NetworkNotFound) as absent:
        plugin.describe(missing)
    assert network["id"] in str(foreign.value)
    assert "could not be found" in str(foreign.value)
    assert "could not be found" in str(absent.value)
    rule = {
        "object_type": "network",
        "object_id": network["id"],
        "action": "access_as_shared",
        "target_tenant": TENANT,
    }
    cloud.call("POST", "/rbac-policies", {"rbac_policy": rule})
    assert plugin.describe(ref(network)).subnets[0].cidr == ip_network("10.3.0.0/24")
    everybody = cloud.network("10.4.0.0/24", project=OTHER_TENANT, shared=True)
    assert plugin.describe(ref(everybody)).subnets[0].cidr == ip_network("10.4.0.0/24")


def test_several_subnets(cloud: Cloud):
    """The one that is named is used; without a name, two of one IP version are too many."""
    network = cloud.network("10.5.0.0/24", "10.6.0.0/24", "fd00:6::/64")
    plugin = managed(cloud)
    for place, cidr in enumerate(("10.5.0.0/24", "10.6.0.0/24", "fd00:6::/64")):
        subnet = ref(network, place)
        found = plugin.allocate(subnet, [claim(subnet)], host="h")[0]
        assert [str(item.cidr) for item in found.segment.subnets] == [cidr]
        assert found.addresses[0] in ip_network(cidr)
    with pytest.raises(InvalidNetwork, match="2 IPv4 subnets; name one as neutron_subnet_id"):
        plugin.describe(ref(network))
    other = cloud.network("10.7.0.0/24")
    mixed = SubnetRef(
        key="k",
        project_id=TENANT,
        net_id=network["id"],
        subnet_id=other["subnet_list"][0]["id"],
    )
    with pytest.raises(NetworkNotFound, match="has no subnet"):
        plugin.describe(mixed)


def test_slaac_beside_ipv4(cloud: Cloud):
    """A subnet that gives every port an address by itself does no harm to one that asked not."""
    network = cloud.network("10.8.0.0/24")
    slaac = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac", "enable_dhcp": True}
    cloud.subnet(network, "fd00:8::/64", **slaac)
    subnet = ref(network, 0)
    four = managed(cloud).allocate(subnet, [claim(subnet)], host="h")[0]
    assert [address.version for address in four.addresses] == [4]
    both = ref(network)
    found = managed(cloud).allocate(both, [claim(both)], host="h")[0]
    assert [address.version for address in found.addresses] == [4, 6]


def test_names_no_network(cloud: Cloud):
    """A share network subnet without a network, and a network without subnets."""
    with pytest.raises(InvalidNetwork, match="names no Neutron network; make one with"):
        managed(cloud).describe(SubnetRef(key="k", project_id=TENANT))
    with pytest.raises(InvalidNetwork, match="has no subnet; make one"):
        managed(cloud).describe(ref(cloud.network()))


def test_flat_by_name(cloud: Cloud):
    """Network and subnets by name; what is ambiguous or missing is said."""
    name = f"lab-{uuid.uuid4().hex[:6]}"
    network = cloud.network(name=name)
    for number, cidr in enumerate(("10.9.0.0/24", "10.10.0.0/24", "fd00:9::/64")):
        cloud.subnet(network, cidr, name=f"part{number}")
    found = flat(cloud, network=name, subnet=["part1", "part2"]).describe(SubnetRef(key="net"))
    assert [str(item.cidr) for item in found.subnets] == ["10.10.0.0/24", "fd00:9::/64"]
    with pytest.raises(InvalidNetwork, match=r"2 IPv4 subnets; name one in \[net\] subnet"):
        flat(cloud, network=name).status()
    with pytest.raises(InvalidNetwork, match="'part9': the network has no such subnet"):
        flat(cloud, network=name, subnet=["part9"]).status()
    cloud.network(name=name)
    with pytest.raises(InvalidNetwork, match="2 networks have the name"):
        flat(cloud, network=name).status()


def test_flat_without_rights_to_the_wire(cloud: Cloud):
    """In flat mode a member of the project will do: nobody asks what is on the wire."""
    network = cloud.network("10.11.0.0/24")
    more = {"noauth_project_id": TENANT, "noauth_roles": "member,reader"}
    plugin = flat(cloud, network=network["id"], **more)
    subnet = SubnetRef(key="net")
    found = plugin.allocate(subnet, [claim(subnet)], host="h")
    plugin.check(found)
    assert found[0].segment.network_type is NetworkType.FLAT
    plugin.release([found[0].claim])


def test_binding(cloud: Cloud):
    """Ports carry host, kind and profile; a host that Neutron can't serve is waited for."""
    network = cloud.network("10.12.0.0/24")
    profile = '{"local_link_information": [{"switch_info": "tor1", "port_id": "1/7"}]}'
    more = {"noauth_roles": "admin,member,reader,service", "binding_host": None}
    plugin = managed(cloud, binding_profile=profile, **more)
    subnet = ref(network)
    one = claim(subnet)
    found = plugin.allocate(subnet, [one], host="nowhere")
    with pytest.raises(NetworkUnavailable, match=r"can't bind port .* to host nowhere"):
        plugin.check(found)
    assert plugin.allocate(subnet, [one], host=AGENT_HOST) == found
    plugin.check(found)
    port = cloud.call("GET", f"/ports/{found[0].id}", roles="admin,member,reader,service")["port"]
    assert port["binding:host_id"] == AGENT_HOST
    assert port["binding:profile"]["local_link_information"][0]["switch_info"] == "tor1"
    direct = managed(cloud, vnic_type="direct", noauth_roles="admin,service")
    other = claim(subnet)
    made = direct.allocate(subnet, [other], host="h")[0]
    assert cloud.call("GET", f"/ports/{made.id}")["port"]["binding:vnic_type"] == "direct"


def test_wait_active(cloud: Cloud):
    """With wait_active, a port that nobody has plugged yet is waited for."""
    network = cloud.network("10.13.0.0/24")
    plugin = managed(cloud, wait_active=True)
    subnet = ref(network)
    found = plugin.allocate(subnet, [claim(subnet)], host="h")
    with pytest.raises(NetworkUnavailable, match="is DOWN, not ACTIVE yet"):
        plugin.check(found)


def test_port_says_whose_it_is(cloud: Cloud):
    """An operator sees the owner tag, the share server and the claim, and our project."""
    network = cloud.network("10.14.0.0/24")
    section = values(cloud.url, port_security=False)
    plugin = plugin_on(section, DriverMode.MANAGED)
    subnet = ref(network)
    one = claim(subnet)
    found = plugin.allocate(subnet, [one], host="h")[0]
    port = cloud.call("GET", f"/ports/{found.id}")["port"]
    assert port["device_owner"] == f"{section['owner_tag']}:share-server"
    assert port["device_id"] == one.owner
    assert port["name"] == f"abaca/user/0/{subnet.key}"
    assert port["project_id"] == section["noauth_project_id"]
    assert port["port_security_enabled"] is False
    assert found.mac_address == port["mac_address"]
