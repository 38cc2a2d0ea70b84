"""What a driver is given for share servers of different projects, and that it is all there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from abaca.drivers.driver import Server
from abaca.drivers.fake import FakeDriver
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.helper import FlatHelper, HelperSubnet, ManagedHelper
from abaca.states import ShareStatus
from support.control_plane import Api, StartManager, backend

PROJECTS = ("red", "blue", "green", "grey")


@dataclass(frozen=True)
class Given:
    """What the helper said, when it was asked."""

    subnet: HelperSubnet
    subnets: tuple[HelperSubnet, ...]
    addresses: list[str]
    again: list[str]


class Recorder(FakeDriver):
    """Asks its helper twice, and writes down all that it says."""

    def __init__(self) -> None:
        super().__init__(DriverMode.FLAT)
        self.given: dict[str, Given] = {}

    def ensure_server(
        self, server: Server, network: FlatHelper | ManagedHelper
    ) -> Mapping[str, str]:
        """As ever."""
        assert not hasattr(network, "interfaces")
        first, second = ([str(item.address) for item in network.addresses(1)] for _ in range(2))
        self.given[server.project_id] = Given(network.subnet, network.subnets, first, second)
        return super().ensure_server(server, network)


def test_flat_gives_all_servers_the_same_but_addresses(api: Api, start: StartManager) -> None:
    """Subnet values are one, addresses each server's own; the plugin gave them for claims alone."""
    driver = Recorder()
    here = backend("b1", DriverMode.FLAT, driver=driver)
    assert isinstance(here.plugin, FakePlugin)
    start(here)
    type_id = api.share_type(DriverMode.FLAT)
    shares = [
        api.share(type_id, network_id=api.share_network(project_id=name), project_id=name)
        for name in PROJECTS
    ]
    for share in shares:
        api.until_status(share, ShareStatus.AVAILABLE)
    api.until_idle()
    assert set(driver.given) == set(PROJECTS)
    one, *others = driver.given.values()
    assert all((it.subnet, it.subnets) == (one.subnet, one.subnets) for it in others)
    assert all(it.addresses == it.again for it in driver.given.values())
    told = [address for it in driver.given.values() for address in it.addresses]
    assert len(set(told)) == len(PROJECTS)

    # In the driver's world, in the plugin's and in the ledger there are these, and no others.
    servers = {row["id"]: row["project_id"] for row in api.rows("share_servers")}
    made = {servers[name]: item.addresses for name, item in driver.world.servers.items()}
    assert made == {name: it.addresses for name, it in driver.given.items()}
    ports = {
        servers[port.claim.owner]: [str(item) for item in port.allocation.addresses]
        for port in here.plugin.cloud.ports
        if port.claim is not None
    }
    assert ports == made
    assert len(here.plugin.cloud.ports) == len(PROJECTS)
    held = {servers[row["share_server_id"]]: row["addresses"] for row in api.rows("allocations")}
    assert held == made
