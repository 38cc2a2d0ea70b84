"""Share servers are left as they run, and adopted again with their addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

import pytest

from abaca.drivers.fake import FakeDriver, FakeServer
from abaca.errors import BadRequest, Conflict, InvalidNetwork
from abaca.modes import DriverMode
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.share import share_networks, share_servers
from abaca.states import ServerStatus, ShareStatus
from manager.adopting import ADMIN, MODES, adopting, idle_server, manage, unmanage
from support.control_plane import Api, StartManager, backend


@pytest.mark.parametrize("mode", MODES)
def test_left_and_adopted(api: Api, start: StartManager, mode: DriverMode) -> None:
    """Left, its addresses go to nobody else; adopted, they are its own, and shares get them."""
    driver = FakeDriver(mode)
    start(adopting(backend("b1", mode, driver=driver)))
    network = api.share_network()
    server_id = idle_server(api, mode, network)
    addresses = driver.world.servers[server_id].addresses

    unmanage(api, server_id)
    api.until_idle()
    assert api.rows("share_servers") == []
    assert api.rows("allocations") == []
    assert driver.world.servers[server_id] == FakeServer(addresses=addresses, left=True)
    assert driver.inventory().servers == frozenset()

    other = api.share(api.share_type(mode), network_id=api.share_network(project_id="p2"))
    made = api.until_status(other, ShareStatus.AVAILABLE)
    if mode is DriverMode.FLAT:
        assert made.instance.share_server_id is not None
        assert driver.world.servers[made.instance.share_server_id].addresses != addresses

    adopted = manage(api, network, server_id)
    api.until_idle()
    (row,) = [item for item in api.rows("share_servers") if item["id"] == adopted.id]
    assert (row["status"], row["slot"]) == ("active", 0)
    share_id = api.share(api.share_type(mode), network_id=network)
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    assert share.instance.share_server_id == adopted.id
    assert driver.world.servers[server_id].addresses == addresses
    assert adopted.id not in driver.world.servers

    api.delete(share_id)
    api.until_idle()
    assert server_id in driver.world.servers, "an adopted server stays without shares"
    with api.db.write() as tx:
        share_servers.delete(tx, ADMIN, adopted.id)
    api.until_idle()
    assert server_id not in driver.world.servers


def test_what_is_not_there_is_not_adopted(api: Api, start: StartManager) -> None:
    """A wrong name ends in manage_error, takes no share, and is undone by unmanage."""
    mode = DriverMode.FLAT
    driver = FakeDriver(mode)
    start(adopting(backend("b1", mode, driver=driver)))
    network = api.share_network()
    server = manage(api, network, "nobody")
    api.until_idle()
    (row,) = api.rows("share_servers")
    assert row["status"] == ServerStatus.MANAGE_ERROR
    with api.db.write() as tx:
        with pytest.raises(Conflict, match="unmanage"):
            share_servers.delete(tx, ADMIN, server.id)
        with pytest.raises(Conflict, match="by hand"):
            share_servers.reset_status(tx, ADMIN, server.id, ServerStatus.ACTIVE)
        share_servers.reset_status(tx, ADMIN, server.id, ServerStatus.UNMANAGE_ERROR)
        with pytest.raises(Conflict, match="never adopted"):
            share_servers.reset_status(tx, ADMIN, server.id, ServerStatus.ACTIVE)
        with pytest.raises(Conflict, match="brought in"):
            share_networks.delete(tx, ADMIN, network)
    unmanage(api, server.id)
    api.until_idle()
    assert api.rows("share_servers") == []
    assert "remove_server" not in driver.calls


def test_addresses_of_another_network(api: Api, start: StartManager) -> None:
    """A server whose addresses are on none of the network's subnets is refused, and untouched."""
    mode = DriverMode.FLAT
    driver = FakeDriver(mode)
    driver.world.servers["vs1"] = FakeServer(addresses=["10.5.0.9"])
    start(adopting(backend("b1", mode, driver=driver)))
    manage(api, api.share_network(), "vs1")
    api.until_idle()
    (row,) = api.rows("share_servers")
    assert row["status"] == ServerStatus.MANAGE_ERROR
    assert api.rows("allocations") == []
    assert driver.world.servers["vs1"] == FakeServer(addresses=["10.5.0.9"])


def test_a_server_with_shares_is_kept(api: Api, start: StartManager) -> None:
    """It is not left while shares are on it, nor adopted twice, nor by a backend that can't."""
    mode = DriverMode.FLAT
    driver = FakeDriver(mode)
    driver.world.servers["vs1"] = FakeServer(addresses=["10.99.0.77"])
    start(adopting(backend("b1", mode, driver=driver)))
    network = api.share_network()
    share_id = api.share(api.share_type(mode), network_id=network)
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    assert share.instance.share_server_id is not None
    with pytest.raises(BadRequest, match="1 share"):
        unmanage(api, share.instance.share_server_id)
    with pytest.raises(Conflict, match="has a share server there"):
        manage(api, network, "vs1")
    with pytest.raises(Conflict, match="already"):
        manage(api, api.share_network(), share.instance.share_server_id)


@dataclass(kw_only=True)
class Refused:
    """A server whose plugin refused to forget the last of its addresses."""

    api: Api
    driver: FakeDriver
    cloud: FakeCloud
    network: str
    server: str

    @property
    def ports(self) -> int:
        """Addresses that nobody else gets: its own, and nobody's."""
        return len(self.cloud.ports)

    def reset(self) -> None:
        """An administrator says that it is active."""
        with self.api.db.write() as tx:
            share_servers.reset_status(tx, ADMIN, self.server, ServerStatus.ACTIVE)


@pytest.fixture(params=MODES)
def refused(api: Api, start: StartManager, request: pytest.FixtureRequest) -> Refused:
    """In unmanage_error, half of its addresses forgotten."""
    mode, cloud = request.param, FakeCloud()
    driver = FakeDriver(mode, addresses=2)
    plugin = FakePlugin([ip_network("10.99.0.0/24")], mode, cloud, makes=True)
    start(adopting(backend("b1", mode, driver=driver, plugin=plugin)))
    network = api.share_network()
    server = idle_server(api, mode, network)

    def refuse(verb: str) -> None:
        if verb == "untag_port":
            raise InvalidNetwork("403: the rights were taken away")

    cloud.after = refuse
    unmanage(api, server)
    api.until_idle()
    cloud.after = lambda _verb: None
    assert [row["status"] for row in api.rows("share_servers")] == ["unmanage_error"]
    assert [item.claim for item in cloud.ports].count(None) == 1
    return Refused(api=api, driver=driver, cloud=cloud, network=network, server=server)


def test_what_could_not_be_left_is_kept(refused: Refused) -> None:
    """Said to be active it has the addresses that it had, takes shares, and can be deleted."""
    api, driver = refused.api, refused.driver
    before = driver.world.servers[refused.server].addresses
    refused.reset()
    api.until_idle()
    (row,) = api.rows("share_servers")
    assert (row["status"], row["slot"]) == ("active", 0)
    assert driver.world.servers[refused.server] == FakeServer(addresses=before)
    assert [item.claim for item in refused.cloud.ports].count(None) == 0
    share_id = api.share(api.share_type(driver.mode), network_id=refused.network)
    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    assert share.instance.share_server_id == refused.server
    api.delete(share_id)
    api.until_idle()
    with api.db.write() as tx:
        share_servers.delete(tx, ADMIN, refused.server)
    api.until_idle()
    assert (driver.world.servers, refused.ports, api.rows("allocations")) == ({}, 0, [])


def test_what_could_not_be_left_is_deleted(refused: Refused) -> None:
    """At once after it was said to be active: no forgotten address stays behind."""
    refused.reset()
    with refused.api.db.write() as tx:
        share_servers.delete(tx, ADMIN, refused.server)
    refused.api.until_idle()
    assert (refused.driver.world.servers, refused.ports) == ({}, 0)
    assert refused.api.rows("share_servers") == []


def test_what_could_not_be_left_is_left(refused: Refused) -> None:
    """Asked again it is left, with all of its addresses out of circulation."""
    unmanage(refused.api, refused.server)
    refused.api.until_idle()
    assert refused.api.rows("share_servers") == []
    assert [item.claim for item in refused.cloud.ports] == [None, None]


def test_two_do_not_take_the_place_of_one(refused: Refused) -> None:
    """While another server takes the network's shares it stays as it is, and can be left."""
    api = refused.api
    share_id = api.share(api.share_type(refused.driver.mode), network_id=refused.network)
    assert api.until_status(share_id, ShareStatus.AVAILABLE).instance.share_server_id
    with pytest.raises(Conflict, match="another share server"):
        refused.reset()
    unmanage(api, refused.server)
    api.until_idle()
    assert refused.server not in {row["id"] for row in api.rows("share_servers")}
