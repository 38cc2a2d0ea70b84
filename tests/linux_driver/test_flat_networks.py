"""A flat network as the site has it: others on it, no gateway, routers; with real NFS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import cast

import pytest
from sqlalchemy import update
from worlds import share_server

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ForeignAddresses
from abaca.db.networks import DatabaseRegistry
from abaca.drivers.driver import AccessLevel, AccessRule, Driver, HasFabric, Server, Share
from abaca.errors import NetworkUnavailable
from abaca.linux import links
from abaca.modes import DriverMode
from abaca.network.bound import Binding, BoundFlat, flat_subnet
from abaca.network.plugin import PluginHost
from abaca.network.standalone import StandalonePlugin
from support.hostns import Host, Inside, Machine
from support.linux_scene import flat
from support.nfs4 import Nfs4Client

pytestmark = pytest.mark.dataplane

IPV4 = {"cidr": "10.9.0.0/24", "allowed_ip_ranges": "10.9.0.10-10.9.0.19"}
IPV6 = {"ipv6_cidr": "fd09::/64", "ipv6_allowed_ip_ranges": "fd09::10-fd09::19"}
PROBING = {"probe_addresses": True, "probe_seconds": 0.3}


@dataclass
class Site:
    """A storage host on a flat network, and a share server there."""

    host: Host
    driver: Driver
    plugin: StandalonePlugin
    database: Database
    server: Server

    @property
    def helper(self) -> BoundFlat:
        """As the share manager makes it, used in the host's network namespace."""
        found = BoundFlat(
            Binding(
                plugin=self.plugin,
                database=self.database,
                section="flat1",
                server_id=self.server.id,
                subnets=(flat_subnet("flat1"),),
                host="host",
                patience=1,
            )
        )
        return cast("BoundFlat", Inside(found, self.host.netns))

    def share(self) -> list[str]:
        """Locations of a share that everybody may write to; the server comes up for it."""
        self.driver.ensure_server(self.server, self.helper)
        share = Share(
            id="share-1",
            project_id=self.server.project_id,
            size_gib=1,
            protocol="NFS",
            export_id=5,
            server=self.server,
        )
        locations = self.driver.ensure_share(share, None)
        everybody = [ip_network("0.0.0.0/0"), ip_network("::/0")]
        rules = [AccessRule(network=item, level=AccessLevel.READ_WRITE) for item in everybody]
        self.driver.apply_access(share, rules)
        return [item.path for item in locations]

    def neighbour(self, name: str, *addresses: str) -> Machine:
        """A machine on the flat network."""
        machine = self.host.machine(name)
        self.host.cable(machine, name, *addresses)
        self.host.ip("link", "set", name, "master", "br-flat")
        return machine

    def aside(self) -> dict[str, str]:
        """What is put aside, and who has it."""
        found = ForeignAddresses(self.database).listed()
        return {str(item.address): item.who for item in found}


def site(host: Host, database: Database, values: dict[str, object]) -> Site:
    """A site with this network section."""
    driver = flat(host).driver()
    driver.start()
    assert isinstance(driver, HasFabric)
    assert StandalonePlugin.faults("flat1", values, DriverMode.FLAT) == []
    lent = PluginHost(
        name="host",
        mode=DriverMode.FLAT,
        ledger=DatabaseLedger(database),
        registry=DatabaseRegistry(database),
        fabric=driver.fabric,
    )
    plugin = StandalonePlugin.from_config("flat1", values, lent)
    server = Server(id=share_server(database), project_id="project1")
    return Site(host, driver, plugin, database, server)


def mac(machine: Machine) -> str:
    """Of its interface."""
    (found,) = json.loads(machine.run("ip", "-json", "link", "show", "dev", "eth0").stdout)
    return str(found["address"])


def serves(machine: Machine, locations: list[str]) -> bool:
    """Whether the machine can write a file over each location, and read it back (NFSv4)."""
    for number, location in enumerate(locations):
        address, _, path = location.rpartition(":/")
        data = f"{machine.netns} {number}".encode()
        with Nfs4Client(machine.netns, address.strip("[]")) as client:
            file = client.open(path, f"{machine.netns}-{number}", create=True)
            assert client.write(file.handle, data, stateid=file.stateid) == len(data)
            if client.read(file.handle, stateid=file.stateid) != data:
                return False
    return True


def test_addresses_of_others_are_left_to_them(made_host: Host, database: Database) -> None:
    """A printer and the host itself keep theirs; the server serves NFS beside them, untroubled."""
    there = site(made_host, database, {**IPV4, **IPV6, **PROBING})
    printer = there.neighbour("printer", "10.9.0.10/24", "fd09::10/64")
    client = there.neighbour("client", "10.9.0.100/24", "fd09::100/64")
    made_host.ip("addr", "add", "10.9.0.11/24", "dev", "br-flat")
    locations = there.share()
    assert [item.rpartition(":/")[0] for item in locations] == ["10.9.0.12", "[fd09::11]"]
    told = {
        "10.9.0.10": mac(printer),
        "10.9.0.11": "this host (br-flat)",
        "fd09::10": mac(printer),
    }
    assert there.aside() == told
    assert serves(client, locations)
    assert there.share() == locations
    there.plugin.allocate(
        flat_subnet("flat1"),
        [item.claim for item in there.helper.obtain(flat_subnet("flat1"), 1)],
        host="host",
    )
    assert there.aside() == told


def test_an_address_comes_back_when_its_user_goes(made_host: Host, database: Database) -> None:
    """Put aside while somebody answers, free when nobody does; and nothing is given blindly."""
    there = site(made_host, database, {**IPV4, **PROBING, "probe_again_seconds": 0})
    there.neighbour("printer", "10.9.0.10/24")
    there.neighbour("phone", "10.9.0.11/24")
    (given,) = there.helper.addresses()
    assert str(given.address) == "10.9.0.12"
    made_host.ip("link", "set", "phone", "down")
    with there.database.write() as tx:
        past = datetime.now(UTC) - timedelta(hours=1)
        aside = tables.addresses.c.reason.is_not(None)
        tx.execute(update(tables.addresses).where(aside).values(taken_at=past))
    made_host.inside(there.plugin.look_again)
    assert list(there.aside()) == ["10.9.0.10"]
    made_host.ip("link", "set", "br-flat", "down")
    there.server = Server(id=share_server(there.database), project_id="project1")
    with pytest.raises(NetworkUnavailable, match="ip link set br-flat up"):
        there.helper.addresses()


def routes(server: Server, host: Host) -> set[tuple[str, str]]:
    """Destination and gateway of the routes by a router that its namespace has, in any table."""
    (name,) = [name for name in host.servers() if server.id in name]
    inside = Machine(name)
    found = [
        item
        for version in ("-4", "-6")
        for item in json.loads(
            inside.run("ip", version, "-json", "route", "show", "table", "all").stdout or "[]"
        )
    ]
    return {(item["dst"], item["gateway"]) for item in found if "gateway" in item}


@pytest.mark.parametrize("values", [IPV4, IPV6], ids=["ipv4", "ipv6"])
def test_no_gateway(made_host: Host, database: Database, values: dict[str, object]) -> None:
    """Without a gateway a server has no default route, and serves its own network."""
    there = site(made_host, database, {**values})
    client = there.neighbour("client", "10.9.0.100/24", "fd09::100/64")
    locations = there.share()
    assert serves(client, locations)
    assert routes(there.server, made_host) == set()


def test_routes_without_a_gateway(made_host: Host, database: Database) -> None:
    """Clients behind the routers named are served, in both IP versions; nobody else elsewhere."""
    wanted = ["192.168.7.0/24 via 10.9.0.2", "fd07::/64 via fd09::2"]
    there = site(made_host, database, {**IPV4, **IPV6, "routes": wanted})
    near = there.neighbour("near", "10.9.0.100/24", "fd09::100/64")
    router = there.neighbour("router", "10.9.0.2/24", "fd09::2/64")
    far = behind(there, router, "far", 7)
    farther = behind(there, router, "farther", 8)
    locations = there.share()
    assert serves(near, locations)
    assert serves(far, locations)
    assert routes(there.server, made_host) == {
        ("192.168.7.0/24", "10.9.0.2"),
        ("fd07::/64", "fd09::2"),
    }
    assert far.run("ping", "-nqc1", "-W2", "10.9.0.10").returncode == 0
    assert farther.run("ping", "-nqc1", "-W1", "10.9.0.2").returncode == 0
    assert farther.run("ping", "-nqc1", "-W1", "10.9.0.10").returncode != 0


def behind(there: Site, router: Machine, name: str, number: int) -> Machine:
    """A machine on a network of its own, with the router in between."""
    machine = there.host.machine(name)
    there.host.cable(machine, name, f"192.168.{number}.9/24", f"fd0{number}::9/64")
    there.host.ip("link", "set", name, "netns", f"/run/netns/{router.netns}")
    for address in (f"192.168.{number}.1/24", f"fd0{number}::1/64"):
        extra = ["nodad"] if ":" in address else []
        router.run("ip", "addr", "add", address, "dev", name, *extra)
    router.run("ip", "link", "set", name, "up")

    def forward() -> None:
        for family in ("ipv4", "ipv6"):
            links.setting(family, "all", "forwarding", "1")

    Host(router.netns, there.host.folder, "").inside(forward)
    machine.run("ip", "route", "add", "default", "via", f"192.168.{number}.1")
    machine.run("ip", "route", "add", "default", "via", f"fd0{number}::1")
    return machine
