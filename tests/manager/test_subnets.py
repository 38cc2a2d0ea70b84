"""Subnets of share networks that are in use come and go, and share servers follow."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from abaca.context import Context, Version
from abaca.drivers.fake import FakeDriver
from abaca.errors import Conflict
from abaca.manager.options import ManagerOptions
from abaca.model.share_network import ShareNetworkSubnet
from abaca.modes import DriverMode
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.share import share_network_subnets as subnets
from abaca.share.share_network_subnets import SubnetSpec
from abaca.share.share_networks import managed
from abaca.states import ShareStatus
from support.control_plane import PROJECT, ZONE, Api, StartManager, backend

CTX = Context(
    user_id="u1",
    project_id=PROJECT,
    roles=frozenset({"member"}),
    request_id="req-1",
    version=Version(2, 70),
)


def add(api: Api, network_id: str, net_id: str, zone: str | None = None) -> ShareNetworkSubnet:
    """Add a subnet that names this network."""
    spec = SubnetSpec(neutron_net_id=net_id, neutron_subnet_id=net_id, availability_zone=zone)
    with api.db.write() as tx:
        return subnets.add(tx, CTX, managed(tx, CTX, network_id), spec)


def remove(api: Api, network_id: str, subnet_id: str) -> None:
    """Remove one."""
    with api.db.write() as tx:
        subnets.remove(tx, CTX, managed(tx, CTX, network_id), subnet_id)


def held(api: Api) -> list[str]:
    """The subnets on which addresses are held."""
    return sorted(str(row["subnet_key"]) for row in api.rows("allocations"))


def exported(api: Api) -> list[str]:
    """Where shares are mounted from."""
    return sorted(str(row["path"]) for row in api.rows("export_locations"))


def first_subnet(api: Api) -> str:
    """The one that the network was made with."""
    return str(api.rows("share_network_subnets")[0]["id"])


def cloud() -> FakePlugin:
    """Networks ``one`` and ``two``; on ``two`` the first address is taken, to tell them apart."""
    there = FakeCloud()
    plugin = FakePlugin([ip_network("10.99.0.0/24")], DriverMode.MANAGED, there, makes=True)
    claim = Claim(owner="somebody", label=Label.USER, subnet="else", index=0)
    plugin.allocate(SubnetRef(key="else", net_id="two"), [claim], host="node1")
    return plugin


def test_a_live_server_gains_and_loses_an_interface(api: Api, start: StartManager) -> None:
    """A share is exported on a subnet once it is added, and on no other once they are removed."""
    driver = FakeDriver(DriverMode.MANAGED)
    start(backend("b1", DriverMode.MANAGED, driver=driver, plugin=cloud()))
    network = api.share_network(net_id="one")
    share_id = api.share(api.share_type("managed_multi_svm"), network_id=network)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    first = first_subnet(api)
    (before,) = exported(api)

    second = add(api, network, "two")
    api.until_idle()
    assert held(api) == sorted([first, second.id])
    assert len(exported(api)) == 2
    assert before in exported(api)

    remove(api, network, first)
    api.until_idle()
    assert held(api) == [second.id]
    assert len(exported(api)) == 1
    (server,) = driver.world.servers.values()
    assert len(server.addresses) == 1

    with pytest.raises(Conflict, match=share_id):
        remove(api, network, second.id)
    api.delete(share_id)
    api.until_idle()
    assert held(api) == []


def test_a_zone_is_not_moved(api: Api, start: StartManager) -> None:
    """A subnet that would take a server off all that it has is refused, and changes nothing."""
    start(backend("b1", DriverMode.MANAGED))
    network = api.share_network(net_id="one")
    share_id = api.share(api.share_type("managed_multi_svm"), network_id=network)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    with pytest.raises(Conflict, match="1 share server"):
        add(api, network, "two", ZONE)
    api.until_idle()
    assert held(api) == [first_subnet(api)]


def test_an_idle_server_follows_too(api: Api, start: StartManager) -> None:
    """A server that waits for its next share holds no address on a subnet that was removed."""
    start(backend("b1", DriverMode.MANAGED), options=ManagerOptions(share_server_idle_seconds=300))
    network = api.share_network(net_id="one")
    type_id = api.share_type("managed_multi_svm")
    share_id = api.share(type_id, network_id=network)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    first, second = first_subnet(api), add(api, network, "two")
    api.until(lambda: held(api) == sorted([first, second.id]))
    api.delete(share_id)
    api.until(lambda: api.read(share_id) is None)
    remove(api, network, first)
    api.until(lambda: held(api) == [second.id])
    again = api.share(type_id, network_id=network)
    api.until_status(again, ShareStatus.AVAILABLE)
    assert len(exported(api)) == 1


def test_a_share_made_meanwhile_is_where_its_server_is(api: Api, start: StartManager) -> None:
    """A subnet removed while the server is set up is held by nobody in the end."""
    driver = FakeDriver(DriverMode.MANAGED)
    driver.delays["ensure_server"] = 0.5
    start(backend("b1", DriverMode.MANAGED, driver=driver))
    network = api.share_network(net_id="one")
    first, second = first_subnet(api), add(api, network, "two")
    share_id = api.share(api.share_type("managed_multi_svm"), network_id=network)
    api.until(lambda: "ensure_server" in driver.calls)
    remove(api, network, first)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    assert held(api) == [second.id]
    assert len(exported(api)) == 1


def test_a_flat_server_is_on_none_of_them(api: Api, start: StartManager) -> None:
    """In flat mode subnets come and go without any effect."""
    start(backend("b1", DriverMode.FLAT))
    network = api.share_network()
    share_id = api.share(api.share_type("flat_multi_svm"), network_id=network)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    before = exported(api)
    added = add(api, network, "two")
    remove(api, network, added.id)
    remove(api, network, first_subnet(api))
    api.until_idle()
    assert exported(api) == before
    assert held(api) == ["net-b1"]
