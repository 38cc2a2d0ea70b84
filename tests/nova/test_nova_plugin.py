"""What the nova plugin does with what nova says, beyond the conformance suite."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.errors import (
    AddressesExhausted,
    AllocationConflict,
    AllocationLost,
    InvalidNetwork,
    NetworkNotFound,
    NetworkUnavailable,
)
from abaca.modes import DriverMode
from abaca.network import nova_reserving
from abaca.network.nova import NovaPlugin
from abaca.network.plugin import Allocation, Claim, KnowsIds, Label, Reachable, SubnetRef
from abaca.testing.power import Power, PowerCut
from support.fault_proxy import DOWN, LOST, Fault, FaultProxy
from support.nova.server import DUAL, FLAT, OTHER_PROJECT, PROJECT, SIX, VLAN, NovaServer
from support.nova.world import MISSING, access, left_in, plugin_on

MANAGED, FLAT_MODE = DriverMode.MANAGED, DriverMode.FLAT
LATER = datetime.now(UTC) + timedelta(hours=1)


def ref(network: str | None, project: str = PROJECT) -> SubnetRef:
    """The subnet of a share network on that network of nova."""
    return SubnetRef(key="share-net", project_id=project, net_id=network)


def claim(index: int = 0, owner: str = "server1", subnet: str = "share-net") -> Claim:
    """An interface of a share server."""
    return Claim(owner=owner, label=Label.USER, subnet=subnet, index=index)


def give(plugin: NovaPlugin, network: str, *claims: Claim) -> list[Allocation]:
    """Allocations on a network of nova."""
    return plugin.allocate(ref(network), claims, host="host1")


def spelled(found: list[Allocation]) -> list[list[str]]:
    """The addresses as text."""
    return [[str(address) for address in item.addresses] for item in found]


@pytest.fixture
def managed(nova: NovaServer, database: Database) -> NovaPlugin:
    """A managed section."""
    return plugin_on(database, access(nova.url, physical_network="phys1"), MANAGED)


def test_segments(managed: NovaPlugin, nova: NovaServer, database: Database) -> None:
    """VLAN, CIDRs, gateways and MTU are nova's; the MTU is the section's where nova has none."""
    vlan = managed.describe(ref(VLAN))
    assert (vlan.wire, vlan.segmentation_id, vlan.mtu) == ("vlan:phys1:100", 100, 1500)
    assert [str(item.gateway) for item in vlan.subnets] == ["10.60.0.1"]
    other = plugin_on(database, access(nova.url, mtu=9000), MANAGED)
    assert other.describe(ref(VLAN)).mtu == 9000
    flat = other.describe(ref(FLAT))
    assert (flat.wire, flat.mtu) == ("flat:", 1450)
    dual = other.describe(ref(DUAL))
    assert [str(item.cidr) for item in dual.subnets] == ["10.70.0.0/28", "fd00:70::/64"]
    assert [str(item.cidr) for item in other.describe(ref(SIX)).subnets] == ["fd00:80::/64"]


def test_networks_of_other_projects(managed: NovaPlugin) -> None:
    """A project's network is nobody else's, and looks as if it did not exist."""
    with pytest.raises(NetworkNotFound) as foreign:
        managed.describe(ref(VLAN, OTHER_PROJECT))
    with pytest.raises(NetworkNotFound) as missing:
        managed.describe(ref(MISSING, OTHER_PROJECT))
    assert str(foreign.value).replace(VLAN, MISSING) == str(missing.value)
    assert managed.describe(ref(FLAT, OTHER_PROJECT))


@pytest.mark.parametrize("name", ["../os-fixed-ips/10.50.0.6", "flat", "", "a b", "x" * 99, ".."])
def test_ids_that_are_none(managed: NovaPlugin, name: str) -> None:
    """What a tenant writes reaches nova as an ID or not at all."""
    with pytest.raises((NetworkNotFound, InvalidNetwork)):
        managed.describe(ref(name))
    assert managed.network_ids() == {"nova_net_id"}
    assert isinstance(managed, KnowsIds)
    assert isinstance(managed, Reachable)


def test_service_addresses_are_nobodys(managed: NovaPlugin) -> None:
    """Gateway, VPN and name server are never given, and can't be adopted."""
    services = ["10.60.0.1", "10.60.0.2", "10.60.0.9", "10.60.0.0", "10.60.0.31"]
    found = give(managed, VLAN, *(claim(index) for index in range(27)))
    assert not {address for item in spelled(found) for address in item} & set(services)
    managed.release([item.claim for item in found])
    for address in services:
        with pytest.raises(AllocationConflict, match="service"):
            managed.adopt(ref(VLAN), {ip_address(address): claim()})


def test_services_everywhere(managed: NovaPlugin, nova: NovaServer) -> None:
    """Each kind of service address counts, those that nova does not reserve as well."""
    nova.sql(
        "UPDATE networks SET dhcp_server = '10.60.0.3', dns2 = '10.60.0.4', "
        "vpn_public_address = '10.60.0.5' WHERE uuid = ?",
        VLAN,
    )
    assert spelled(give(managed, VLAN, claim())) == [["10.60.0.6"]]


def test_addresses_of_others_are_skipped_and_come_back(
    managed: NovaPlugin, nova: NovaServer
) -> None:
    """What an instance holds or somebody reserved is not given; when it is free again, it is."""
    first = give(managed, FLAT, *(claim(index) for index in range(4)))
    assert sorted(spelled(first)) == [["10.50.0.2"], ["10.50.0.5"], ["10.50.0.7"], ["10.50.0.8"]]
    rest = give(managed, FLAT, *(claim(index, "server2") for index in range(22)))
    with pytest.raises(AddressesExhausted, match="instances"):
        give(managed, FLAT, claim(0, "server3"))
    nova.sql("UPDATE fixed_ips SET instance_uuid = NULL WHERE address = '10.50.0.4'")
    assert spelled(give(managed, FLAT, claim(0, "server3"))) == [["10.50.0.4"]]
    assert len({address for item in spelled(first + rest) for address in item}) == 26
    assert "10.50.0.6" in nova.reserved()


def test_an_instance_is_quicker(nova: NovaServer, database: Database, proxy: FaultProxy) -> None:
    """An instance that got the address while we were reserving keeps it, unreserved."""
    plugin = plugin_on(database, access(proxy.url), MANAGED)
    moved: list[str] = []

    def decide(call: str) -> Fault | None:
        if call.startswith("POST") and not moved:
            moved.append(call.split("/")[-2])
            nova.give_to_instance(moved[0])
        return None

    proxy.decide = decide
    found = give(plugin, VLAN, claim())
    assert moved == ["10.60.0.3"]
    assert spelled(found) == [["10.60.0.4"]]
    assert nova.reserved() - nova.reserved_at_first() == {"10.60.0.4"}


def test_a_reservation_of_others_is_not_taken_for_ours(
    nova: NovaServer, database: Database
) -> None:
    """Killed before nova was asked, and meanwhile somebody reserved the address: theirs it is."""
    power = Power()
    plugin = plugin_on(database, access(nova.url), MANAGED, power=power)
    # Described, and taken in the ledger.
    power.cut_after(2)
    with pytest.raises(PowerCut):
        give(plugin, VLAN, claim())
    assert DatabaseLedger(database).held([claim()])
    nova.sql("UPDATE fixed_ips SET reserved = 1 WHERE address = '10.60.0.3'")
    assert spelled(give(plugin, VLAN, claim())) == [["10.60.0.4"]]
    plugin.release([claim()])
    assert nova.reserved() - nova.reserved_at_first() == {"10.60.0.3"}


def test_cost(nova: NovaServer, database: Database, proxy: FaultProxy) -> None:
    """One address costs four requests, however full the pool is; another's costs one more."""
    plugin = plugin_on(database, access(proxy.url), MANAGED)
    give(plugin, VLAN, *(claim(index, "server2") for index in range(20)))
    for network, cost in ((VLAN, 4), (FLAT, 4)):
        proxy.calls.clear()
        give(plugin, network, claim(0, network))
        assert len(proxy.calls) == cost
    nova.sql("UPDATE fixed_ips SET reserved = 1 WHERE address LIKE '10.60.0.2_'")
    proxy.calls.clear()
    with pytest.raises(AddressesExhausted):
        give(plugin, VLAN, *(claim(index) for index in range(7)))
    assert len(proxy.calls) < 40


def test_the_search_is_bounded_and_goes_on(
    nova: NovaServer, database: Database, proxy: FaultProxy
) -> None:
    """Among very many instances one call looks at so many addresses; the next at others."""
    network = nova.sql("SELECT id FROM networks WHERE uuid = ?", FLAT)[0][0]
    nova.sql("UPDATE networks SET cidr = '10.50.0.0/24', broadcast = NULL WHERE uuid = ?", FLAT)
    held = "(SELECT uuid FROM instances LIMIT 1)"
    nova.sql(f"UPDATE fixed_ips SET instance_uuid = {held} WHERE network_id = ?", network)  # noqa: S608
    for last in range(32, 102):
        holder = held if last < 100 else "NULL"
        nova.sql(
            "INSERT INTO fixed_ips (address, network_id, instance_uuid, allocated, leased, "  # noqa: S608
            f"reserved, deleted) VALUES (?, ?, {holder}, 1, 0, 0, 0)",
            f"10.50.0.{last}",
            network,
        )
    plugin = plugin_on(database, access(proxy.url), MANAGED)
    with pytest.raises(AddressesExhausted, match="allowed_ip_ranges"):
        give(plugin, FLAT, claim())
    assert len(proxy.calls) == nova_reserving.MOST_REFUSED + 1
    assert spelled(give(plugin, FLAT, claim())) == [["10.50.0.100"]]


def test_remote_first_and_local_last(
    nova: NovaServer, database: Database, proxy: FaultProxy
) -> None:
    """Until nova has freed the address, the ledger keeps it for its share server."""
    plugin = plugin_on(database, access(proxy.url), MANAGED)
    give(plugin, VLAN, claim())
    for fault in (DOWN, LOST):
        with proxy.failing(fault, "POST"), pytest.raises(NetworkUnavailable):
            plugin.release([claim()])
        assert DatabaseLedger(database).held([claim()])
    plugin.release([claim()])
    assert left_in(nova, database) == []


def test_a_new_network_of_the_same_range(managed: NovaPlugin, nova: NovaServer) -> None:
    """Releasing on a network that is gone leaves alone who has its addresses now."""
    give(managed, VLAN, claim())
    nova.sql("UPDATE networks SET uuid = ? WHERE uuid = ?", MISSING, VLAN)
    managed.release([claim()])
    assert "10.60.0.3" in nova.reserved()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("reserved = 0", "free"),
        ("instance_uuid = (SELECT uuid FROM instances LIMIT 1)", "vm-one on compute1"),
        ("deleted = id", "no network"),
    ],
)
def test_check_tells_why(managed: NovaPlugin, nova: NovaServer, change: str, reason: str) -> None:
    """Freed, given to an instance, or gone with its network: lost, and it says which."""
    found = give(managed, VLAN, claim())
    managed.check(found)
    nova.sql(f"UPDATE fixed_ips SET {change} WHERE address = '10.60.0.3'")  # noqa: S608
    with pytest.raises(AllocationLost, match=reason):
        managed.check(found)


def test_adoption_of_what_others_have(managed: NovaPlugin, nova: NovaServer) -> None:
    """An instance's address is refused, a reserved one as well, with what to do about it."""
    with pytest.raises(AllocationConflict, match="vm-one"):
        managed.adopt(ref(FLAT), {ip_address("10.50.0.4"): claim()})
    with pytest.raises(AllocationConflict, match=r"fixed-ip-unreserve 10\.50\.0\.6"):
        managed.adopt(ref(FLAT), {ip_address("10.50.0.6"): claim()})
    nova.sql("UPDATE fixed_ips SET reserved = 0 WHERE address = '10.50.0.6'")
    found = managed.adopt(ref(FLAT), {ip_address("10.50.0.6"): claim()})
    assert spelled(found) == [["10.50.0.6"]]
    assert "10.50.0.6" in nova.reserved()


def test_adoption_of_one_side_of_two(managed: NovaPlugin) -> None:
    """On a dual-stack network the other address is a new one; the claims keep both."""
    found = managed.adopt(ref(DUAL), {ip_address("fd00:70::77"): claim()})
    assert spelled(found) == [["10.70.0.2", "fd00:70::77"]]
    assert give(managed, DUAL, claim()) == found


def test_ipv6_stays_clear_of_instances(managed: NovaPlugin) -> None:
    """Instances make their addresses of MAC addresses: ours are among those that never are."""
    found = give(managed, DUAL, *(claim(index) for index in range(5)))
    for item in found:
        assert int(item.addresses[1]) & ((1 << 64) - 1) < 1 << 32
        assert str(item.addresses[1]) not in {"fd00:70::1", "fd00:70::"}


def test_sections_share_a_network(nova: NovaServer, database: Database) -> None:
    """Two sections on one network never give out one address, in whatever mode."""
    flat = plugin_on(database, access(nova.url, network="flat"), FLAT_MODE, section="a")
    managed = plugin_on(database, access(nova.url), MANAGED, section="b")
    found = []
    for index in range(3):
        found += flat.allocate(SubnetRef(key="a"), [claim(index, subnet="a")], host="host1")
        found += give(managed, FLAT, claim(index))
    assert len({item.addresses for item in found}) == 6


def test_collect_leaves_what_is_not_ours(nova: NovaServer, database: Database) -> None:
    """Reserved by hand, or in the ledger for another cloud: neither is touched."""
    plugin = plugin_on(database, access(nova.url), MANAGED)
    give(plugin, VLAN, claim())
    nova.sql("UPDATE fixed_ips SET reserved = 1 WHERE address = '10.60.0.20'")
    elsewhere = str(uuid.uuid4())
    ledger = DatabaseLedger(database)
    other = claim(0, "server-elsewhere")
    for pool in (f"nova:{elsewhere}/4", f"nova-reserved:{elsewhere}", "flat:net/4"):
        ledger.take_these(pool, {ip_address("10.60.0.21"): other})
    nova.sql("UPDATE fixed_ips SET reserved = 1 WHERE address = '10.60.0.21'")
    removed = plugin.collect([], LATER)
    assert removed == ["address 0 of share server server1"]
    assert nova.reserved() - nova.reserved_at_first() == {"10.60.0.20", "10.60.0.21"}
    assert len(ledger.held([other])) == 3


def test_a_forgotten_address_stays_reserved(managed: NovaPlugin, nova: NovaServer) -> None:
    """Nova gives it to no instance, and only an adoption has it again."""
    give(managed, VLAN, claim())
    managed.forget([claim()])
    managed.release([claim()])
    assert managed.collect([], LATER) == []
    assert "10.60.0.3" in nova.reserved()
    found = managed.adopt(ref(VLAN), {ip_address("10.60.0.3"): claim(0, "server2")})
    managed.check(found)
    managed.release([claim(0, "server2")])
    assert "10.60.0.3" not in nova.reserved()


def test_ranges(nova: NovaServer, database: Database) -> None:
    """Addresses are of the ranges; a range outside the network is a wrong one, not a full one."""
    inside = access(nova.url, network="flat", allowed_ip_ranges=["10.50.0.20/31", "10.50.0.30"])
    plugin = plugin_on(database, inside)
    claims = [claim(index, subnet="net") for index in range(3)]
    found = plugin.allocate(SubnetRef(key="net"), claims, host="host1")
    assert spelled(found) == [["10.50.0.20"], ["10.50.0.21"], ["10.50.0.30"]]
    for text in ("10.51.0.1-10.51.0.9", "10.50.0.20-10.50.0.40", "fd00::1"):
        wrong = plugin_on(database, access(nova.url, network="flat", allowed_ip_ranges=[text]))
        with pytest.raises(InvalidNetwork, match=text.partition("-")[0]):
            wrong.allocate(SubnetRef(key="net"), claims, host="host1")


def test_hosts_of_nova(nova: NovaServer, database: Database) -> None:
    """A network on which nova hides addresses of its hosts is refused, until told otherwise."""
    nova.sql("UPDATE networks SET multi_host = 1 WHERE uuid = ?", VLAN)
    with pytest.raises(InvalidNetwork, match="allow_multi_host"):
        plugin_on(database, access(nova.url), MANAGED).describe(ref(VLAN))
    told = plugin_on(database, access(nova.url, allow_multi_host=True), MANAGED)
    assert told.describe(ref(VLAN))
    nova.sql("UPDATE networks SET share_address = 1 WHERE uuid = ?", VLAN)
    assert plugin_on(database, access(nova.url), MANAGED).describe(ref(VLAN))


def test_findings(nova: NovaServer) -> None:
    """`abaca config check` hears what is wrong before a service starts, in one line."""

    def found(mode: DriverMode = FLAT_MODE, **values: object) -> list[str]:
        return NovaPlugin.findings("net1", access(nova.url, **values), mode)

    assert found(network="flat") == []
    assert found(MANAGED) == []
    for lines, text in (
        (found(network="nowhere"), "no network 'nowhere'"),
        (found(network="twin"), "2 networks 'twin'"),
        (found(network="flat", token=f"bob:{PROJECT}"), "role admin"),
        (found(MANAGED, token=f"bob:{PROJECT}"), "role admin"),
        (found(network="flat", allowed_ip_ranges=["10.9.0.1"]), "10.9.0.1"),
        (found(network="flat", endpoint_override="http://127.0.0.1:9/v2.1"), "127.0.0.1:9"),
        (found(network="flat", endpoint_override=nova.root), "v2.1"),
        (found(network="flat", endpoint_override=f"{nova.root}/v2"), "v2.1"),
    ):
        assert len(lines) == 1
        assert lines[0].startswith("[net1] ")
        assert text in lines[0]


@pytest.mark.parametrize(
    ("values", "mode", "line"),
    [
        ({}, FLAT_MODE, "auth_url: missing"),
        ({}, FLAT_MODE, "username: missing"),
        ({}, FLAT_MODE, "password: missing"),
        ({}, FLAT_MODE, "network: missing"),
        ({"auth_type": "none"}, MANAGED, "endpoint_override: missing"),
        ({"auth_type": "kerberos"}, MANAGED, "auth_type: 'kerberos' is unknown"),
        ({"auth_type": "v3applicationcredential"}, MANAGED, "application_credential_id: missing"),
        ({"auth_url": "keystone"}, MANAGED, "auth_url: 'keystone' is no URL"),
        ({"network": "flat"}, MANAGED, "network: managed_multi_svm takes networks"),
        ({"allowed_ip_ranges": ["10.0.0.9-10.0.0.1"]}, FLAT_MODE, "ends before it begins"),
        ({"allowed_ip_ranges": ["10.0.0.0/30", "10.0.0.2"]}, FLAT_MODE, "overlap"),
        ({"mtu": "12"}, FLAT_MODE, "mtu: '12'"),
    ],
)
def test_faults(values: dict[str, object], mode: DriverMode, line: str) -> None:
    """Each fault of a section is one line that says what to write."""
    lines = NovaPlugin.faults("net1", values, mode)
    assert [item for item in lines if item.startswith("[net1] ") and line in item]


def test_secrets_are_not_shown(database: Database) -> None:
    """Password and token are secret to oslo.config, and in no error and no repr."""
    secret = {option.name for option in NovaPlugin.options if option.secret}
    assert secret == {"password", "application_credential_secret", "token"}
    values = access("http://127.0.0.1:9/v2.1", token="hunter2", network="flat")
    plugin = plugin_on(database, values)
    assert "hunter2" not in repr(plugin._settings)
    with pytest.raises(NetworkUnavailable) as caught:
        plugin.status()
    assert "hunter2" not in f"{caught.value!r}{caught.value}"
