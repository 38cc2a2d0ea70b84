"""Backends with a network of the administrators': one more address for each share server."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from abaca.db.tables import now
from abaca.drivers.fake import FakeDriver
from abaca.errors import AddressesExhausted
from abaca.manager.backend import Backend, BackendNetwork
from abaca.manager.comparison import compare_all
from abaca.manager.options import ManagerOptions
from abaca.model.finding import Direction
from abaca.modes import DriverMode
from abaca.network.bound import collect
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.states import ShareStatus
from manager.adopting import MODES, adopting, idle_server, manage, unmanage
from support.control_plane import Api, StartManager, backend

STAYING = ManagerOptions(share_server_idle_seconds=300, supervise_seconds=0.2)


def admins(cidr: str = "10.66.0.0/24", section: str = "admins") -> BackendNetwork:
    """A network of the administrators'."""
    plugin = FakePlugin([ip_network(cidr)], DriverMode.FLAT, FakeCloud(), makes=False)
    return BackendNetwork(section=section, mode=DriverMode.FLAT, plugin=plugin)


def with_admins(
    mode: DriverMode, driver: FakeDriver, network: BackendNetwork | None = None
) -> Backend:
    """A backend that has one, and says that it adopts."""
    found = backend("b1", mode, driver=driver)
    return adopting(replace(found, admin=network or admins()))


def ports(network: BackendNetwork) -> list[str]:
    """The addresses that somebody claims."""
    assert isinstance(network.plugin, FakePlugin)
    return [
        str(address)
        for port in network.plugin.cloud.ports
        if port.claim is not None
        for address in port.allocation.addresses
    ]


def labels(api: Api) -> list[tuple[str, str]]:
    """Label and section of what share servers hold."""
    return sorted((str(row["label"]), str(row["section"])) for row in api.rows("allocations"))


def locations(api: Api) -> list[tuple[str, bool]]:
    """Address of each export location, and whether it is for administrators only."""
    return sorted(
        (str(row["path"]).partition(":")[0], bool(row["is_admin_only"]))
        for row in api.rows("export_locations")
    )


@pytest.mark.parametrize("mode", MODES)
def test_both_labels_from_making_to_removal(
    api: Api, start: StartManager, mode: DriverMode
) -> None:
    """A server has an address of each network, a share locations on both; removal frees both."""
    driver, network = FakeDriver(mode), admins()
    start(with_admins(mode, driver, network))
    share_id = api.share(api.share_type(mode), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.AVAILABLE)
    assert labels(api) == [(Label.ADMIN, "admins"), (Label.USER, "net-b1")]
    (server,) = driver.world.servers.values()
    assert ports(network) == server.admin_addresses
    assert ip_network("10.66.0.0/24").supernet_of(ip_network(server.admin_addresses[0]))
    assert locations(api) == sorted(
        [(server.addresses[0], False), (server.admin_addresses[0], True)]
    )

    api.delete(share_id)
    api.until_idle()
    assert api.rows("allocations") == []
    assert ports(network) == []


def test_two_servers_share_the_network(api: Api, start: StartManager) -> None:
    """Projects have a server each, with different addresses on the one admin network."""
    mode, network = DriverMode.MANAGED, admins()
    driver = FakeDriver(mode)
    start(with_admins(mode, driver, network))
    type_id = api.share_type(mode)
    made = [
        api.share(type_id, network_id=api.share_network(project_id=name), project_id=name)
        for name in ("p1", "p2")
    ]
    for share_id in made:
        api.until_status(share_id, ShareStatus.AVAILABLE)
    one, two = driver.world.servers.values()
    assert one.admin_addresses != two.admin_addresses
    assert sorted(ports(network)) == sorted([*one.admin_addresses, *two.admin_addresses])


@pytest.mark.parametrize("mode", MODES)
def test_an_overlap_is_told(api: Api, start: StartManager, mode: DriverMode) -> None:
    """One network for tenants and administrators: an error that names no address; nothing left."""
    driver, network = FakeDriver(mode), admins("10.99.0.0/16")
    start(with_admins(mode, driver, network))
    share_id = api.share(api.share_type(mode), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.ERROR)
    api.until_idle()
    (message,) = api.messages()
    assert "overlaps" in str(message)
    assert "10.99" not in str(message)
    assert ports(network) == []
    assert labels(api) == []
    assert driver.world.servers == {}


def test_the_admin_network_is_full(api: Api, start: StartManager) -> None:
    """The share goes to another backend, and nothing of it stays on the first."""
    mode, network = DriverMode.FLAT, admins()
    assert isinstance(network.plugin, FakePlugin)
    network.plugin.cloud.fail("create_port", *[AddressesExhausted("full")] * 5)
    full, other = FakeDriver(mode), FakeDriver(mode, capacity_gib=10)
    start(with_admins(mode, full, network), backend("b2", mode, driver=other))
    share_id = api.share(api.share_type(mode), network_id=api.share_network())
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    assert share.instance.host == "node1@b2"
    assert labels(api) == [(Label.USER, "net-b2")]
    assert ports(network) == []


def test_the_option_comes_and_goes(api: Api, start: StartManager) -> None:
    """Live servers get an interface and shares a location when it is set, and lose them after."""
    mode, driver = DriverMode.MANAGED, FakeDriver(DriverMode.MANAGED)
    plain = backend("b1", mode, driver=driver)
    first = start(plain)
    share_id = api.share(api.share_type(mode), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    (before,) = api.rows("export_locations")
    assert first.stop()

    network = admins()
    second = start(replace(plain, admin=network))
    api.until_idle()
    assert [hidden for _, hidden in locations(api)] == [True, False]
    assert before["id"] in [row["id"] for row in api.rows("export_locations")]
    assert second.stop()

    start(plain)
    api.until_idle()
    (after,) = api.rows("export_locations")
    assert after["id"] == before["id"]
    assert labels(api) == [(Label.USER, "net-b1")]
    # Its plugin was not at hand: where it is again, the audit frees what nobody claims.
    assert len(ports(network)) == 1
    assert len(collect(network.plugin, api.db, now())) == 1
    assert ports(network) == []


def test_the_audit_looks_at_both_networks(api: Api, start: StartManager) -> None:
    """Of backends that share an admin network, a lost address of each is told, and an orphan."""
    mode, network = DriverMode.FLAT, admins()
    made = [replace(backend(name, mode), admin=network) for name in ("b1", "b2")]
    first = start(made[0])
    api.until_status(
        api.share(api.share_type(mode), network_id=api.share_network()), ShareStatus.AVAILABLE
    )
    api.until_idle()
    assert first.stop()
    driver = made[0].driver
    assert isinstance(driver, FakeDriver)
    driver.capacity_gib = 1
    start(*made)
    api.until_status(
        api.share(api.share_type(mode), network_id=api.share_network()), ShareStatus.AVAILABLE
    )
    api.until_idle()
    assert {row["host"] for row in api.rows("share_servers")} == {"node1@b1", "node1@b2"}
    assert all(not item.discrepancies for item in compare_all(api.db, made).values())

    assert isinstance(network.plugin, FakePlugin)
    network.plugin.cloud.ports.clear()
    orphan = Claim(owner="nobody", label=Label.ADMIN, subnet="admins", index=0)
    network.plugin.allocate(SubnetRef(key="admins"), [orphan], host="node1")
    found = {host: item.discrepancies for host, item in compare_all(api.db, made).items()}
    assert [item.direction for item in found["node1@b1"]] == [
        Direction.MISSING_IN_LEDGER,
        Direction.MISSING_IN_WORLD,
    ]
    assert [item.direction for item in found["node1@b2"]] == [Direction.MISSING_IN_WORLD]


@pytest.mark.parametrize("mode", MODES)
def test_left_and_adopted(api: Api, start: StartManager, mode: DriverMode) -> None:
    """Left, both addresses stay out of circulation; adopted, the server holds both again."""
    driver, network = FakeDriver(mode), admins()
    start(with_admins(mode, driver, network), options=STAYING)
    tenants = api.share_network()
    server_id = idle_server(api, mode, tenants)
    server = driver.world.servers[server_id]
    unmanage(api, server_id)
    api.until_idle()
    assert labels(api) == []
    assert ports(network) == []

    manage(api, tenants, server_id)
    api.until_idle()
    assert [row["status"] for row in api.rows("share_servers")] == ["active"]
    assert labels(api) == [(Label.ADMIN, "admins"), (Label.USER, "net-b1")]
    again = driver.world.servers[server_id]
    assert (again.addresses, again.admin_addresses) == (server.addresses, server.admin_addresses)


def test_what_nobody_could_keep_is_not_left(api: Api, start: StartManager) -> None:
    """A server with an address of a former section stays ours, with all that it has."""
    mode, driver, network = DriverMode.FLAT, FakeDriver(DriverMode.FLAT), admins()
    first = start(with_admins(mode, driver, network), options=STAYING)
    server_id = idle_server(api, mode, api.share_network())
    assert first.stop()
    unmanage(api, server_id)
    start(adopting(backend("b1", mode, driver=driver)), options=STAYING)
    api.until_idle()
    assert [row["status"] for row in api.rows("share_servers")] == ["unmanage_error"]
    assert labels(api) == [(Label.ADMIN, "admins"), (Label.USER, "net-b1")]
    assert len(ports(network)) == 1
    assert server_id in driver.world.servers


def test_adopted_without_an_admin_address(api: Api, start: StartManager) -> None:
    """A server that was never on the admin network is adopted, and gets an address there."""
    mode, driver = DriverMode.FLAT, FakeDriver(DriverMode.FLAT)
    first = start(adopting(backend("b1", mode, driver=driver)), options=STAYING)
    tenants = api.share_network()
    server_id = idle_server(api, mode, tenants)
    unmanage(api, server_id)
    api.until_idle()
    assert first.stop()

    network = admins()
    start(with_admins(mode, driver, network), options=STAYING)
    manage(api, tenants, server_id)
    api.until_idle()
    assert [row["status"] for row in api.rows("share_servers")] == ["active"]
    assert driver.world.servers[server_id].admin_addresses == ports(network)
    assert len(ports(network)) == 1


def test_after_a_reboot(api: Api, start: StartManager) -> None:
    """Servers come back with the addresses that they had on both networks."""
    mode, driver, network = DriverMode.FLAT, FakeDriver(DriverMode.FLAT), admins()
    first = start(with_admins(mode, driver, network))
    share_id = api.share(api.share_type(mode), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    before = locations(api)
    assert first.stop()
    driver.world.reboot()
    start(with_admins(mode, driver, network))
    api.until_idle()
    assert [item.serving for item in driver.world.servers.values()] == [True]
    assert locations(api) == before
