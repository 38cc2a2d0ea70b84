"""Whose port is whose: races leave one port per claim, and strangers' stay."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from abaca.db.database import Database
from abaca.modes import DriverMode
from abaca.network.bound import Binding, BoundFlat, flat_subnet
from abaca.network.neutron import NeutronPlugin
from abaca.network.neutron_ports import mac_of
from abaca.network.plugin import Claim, Label, NetworkPlugin, SubnetRef
from network.worlds import flat_values, share_server
from network.worlds import plugin_on as standalone_on
from support.neutron.world import TENANT, Cloud, plugin_on, values

pytestmark = pytest.mark.timeout(300)


def later() -> datetime:
    """When all that exists now is old."""
    return datetime.now(UTC) + timedelta(hours=1)


def direct(cloud: Cloud) -> tuple[NeutronPlugin, SubnetRef, Claim, dict[str, object]]:
    """A section, a tenant's subnet, and a claim on it."""
    network = cloud.network("10.40.0.0/24")
    key = str(uuid.uuid4())
    section = values(cloud.url)
    return (
        plugin_on(section, DriverMode.MANAGED),
        SubnetRef(key=key, project_id=TENANT, net_id=network["id"]),
        Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet=key, index=0),
        section,
    )


def test_surplus_ports_are_removed(cloud: Cloud):
    """Of two ports of one claim the older one is kept, and the other is deleted."""
    plugin, subnet, claim, section = direct(cloud)
    found = plugin.allocate(subnet, [claim], host="h")
    tag = str(section["owner_tag"])
    body = {
        "network_id": subnet.net_id,
        "name": f"abaca/user/0/{claim.subnet}",
        "device_id": claim.owner,
        "device_owner": f"{tag}:share-server",
    }
    time.sleep(1.1)  # Neutron's times are in whole seconds
    cloud.call("POST", "/ports", {"port": body})
    assert len(cloud.left(tag)) == 2
    assert plugin.allocate(subnet, [claim], host="h") == found
    assert cloud.left(tag) == [found[0].id]


def test_mac_address_is_the_claims(cloud: Cloud):
    """It follows from the claim; a forgotten port keeps it, and the claim gets another."""
    plugin, subnet, claim, _ = direct(cloud)
    first = plugin.allocate(subnet, [claim], host="h")
    assert first[0].mac_address == mac_of(claim, 0)
    plugin.forget([claim])
    second = plugin.allocate(subnet, [claim], host="h")
    assert second[0].mac_address == mac_of(claim, 1)
    assert second[0].addresses != first[0].addresses


def test_strangers_are_left_alone(cloud: Cloud):
    """Neither other deployments' ports, nor a tenant's that looks like ours, are ever collected."""
    plugin, subnet, claim, section = direct(cloud)
    found = plugin.allocate(subnet, [claim], host="h")
    other_section = values(cloud.url)
    other = plugin_on(other_section, DriverMode.MANAGED)
    forged = {
        "network_id": subnet.net_id,
        "project_id": TENANT,
        "name": f"abaca/user/0/{claim.subnet}",
        "device_id": str(uuid.uuid4()),
        "device_owner": f"{section['owner_tag']}:share-server",
    }
    unreadable = {**forged, "project_id": section["noauth_project_id"], "name": "renamed"}
    ids = {
        cloud.call("POST", "/ports", {"port": body})["port"]["id"] for body in (forged, unreadable)
    }
    assert other.collect([], later()) == []
    removed = plugin.collect([], later())
    assert len(removed) == 1
    assert found[0].id in removed[0]
    assert set(cloud.left(str(section["owner_tag"]))) == ids


def test_pages(cloud: Cloud):
    """Lists that Neutron gives in pages are read to the end."""
    plugin, subnet, claim, _ = direct(cloud)
    claims = [
        Claim(owner=claim.owner, label=Label.USER, subnet=claim.subnet, index=index)
        for index in range(5)
    ]
    made = plugin.allocate(subnet, claims, host="h")
    first = plugin.remote._list("ports", {"device_id": claim.owner, "limit": "2"})
    assert len(first) == 2
    path = f"/ports?device_id={claim.owner}&limit=2"
    assert cloud.call("GET", path)["ports_links"]
    everything = plugin.remote.ports(device_id=claim.owner)
    assert {item.id for item in everything} == {item.id for item in made}


def test_calls_do_not_grow(cloud: Cloud):
    """An allocate of many claims takes as many calls as one of a single claim."""
    plugin, subnet, claim, _ = direct(cloud)
    counts = []
    for number in (1, 8):
        claims = [
            Claim(owner=f"{claim.owner}-{number}", label=Label.USER, subnet=claim.subnet, index=i)
            for i in range(number)
        ]
        calls: list[str] = []
        session = plugin.remote.session().session
        session.hooks["response"] = [lambda answer, calls=calls, **_: calls.append(answer.url)]
        plugin.allocate(subnet, claims, host="h")
        counts.append(len(calls))
    assert counts[0] == counts[1] <= 4


def test_same_results_as_standalone(cloud: Cloud, database: Database):
    """The two flat networks of the sample, in Neutron and in sections: drivers see the same."""
    for number in (10, 20):
        cidr = f"10.{number}.0.0/24"
        pools = [{"start": f"10.{number}.0.10", "end": f"10.{number}.0.199"}]
        network = cloud.network(
            **{
                "provider:network_type": "flat",
                "provider:physical_network": f"flat{uuid.uuid4().hex[:8]}",
            }
        )
        cloud.subnet(network, cidr, allocation_pools=pools)
        ranges = f"10.{number}.0.10-10.{number}.0.199"
        alone = {**flat_values(ranges), "gateway": f"10.{number}.0.1"}
        section = values(cloud.url, network=network["name"])
        plugins: dict[str, NetworkPlugin] = {
            "alone": standalone_on(database, alone, DriverMode.FLAT),
            "neutron": plugin_on(section, DriverMode.FLAT),
        }
        seen = []
        for name, plugin in plugins.items():
            binding = Binding(
                plugin=plugin,
                database=database,
                section=f"{name}{number}",
                server_id=share_server(database),
                subnets=(flat_subnet(f"{name}{number}"),),
                host="host1",
            )
            helper = BoundFlat(binding)
            given = helper.addresses(2)
            assert helper.addresses(2) == given
            assert all(10 <= item.address.packed[-1] <= 199 for item in given)
            seen.append((helper.subnets, [item.subnet for item in given]))
            helper.release_all()
        assert seen[0] == seen[1]
