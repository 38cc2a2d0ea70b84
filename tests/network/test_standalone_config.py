"""What the standalone section accepts, and the line that each fault gets."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg
from worlds import MANAGED, flat_values

from abaca.db.address_usage import measure
from abaca.modes import DriverMode
from abaca.network import ipam
from abaca.network.plugin import NetworkType
from abaca.network.standalone import StandalonePlugin
from abaca.network.standalone_config import Settings
from abaca.network.standalone_networks import flat_pools

FLAT, MANAGED_MODE = DriverMode.FLAT, DriverMode.MANAGED
GOOD = flat_values("10.10.0.10-10.10.0.199")


@pytest.mark.parametrize(
    ("changed", "option", "says"),
    [
        ({"gateway": None, "mask": None, "allowed_ip_ranges": []}, "gateway", "gateway = "),
        ({"gateway": "somewhere"}, "gateway", "no IP address"),
        ({"gateway": "10.10.0.0"}, "gateway", "network or broadcast"),
        ({"gateway": "10.10.0.255"}, "gateway", "network or broadcast"),
        ({"gateway": "10.10.0.50"}, "allowed_ip_ranges", "10.10.0.10-10.10.0.49, 10.10.0.51"),
        ({"mask": None}, "mask", "mask = 24"),
        ({"mask": "33"}, "mask", "1 to 30"),
        ({"mask": "255.0.255.0"}, "mask", "1 to 30"),
        ({"mask": "32"}, "mask", "1 to 30"),
        (
            {"allowed_ip_ranges": ["10.11.0.5-10.11.0.9"]},
            "allowed_ip_ranges",
            "10.10.0.1-10.10.0.254",
        ),
        ({"allowed_ip_ranges": ["10.10.0.9-10.10.0.5"]}, "allowed_ip_ranges", "before it begins"),
        (
            {"allowed_ip_ranges": ["10.10.0.5-10.10.0.9", "10.10.0.8/30"]},
            "allowed_ip_ranges",
            "overlap",
        ),
        ({"allowed_ip_ranges": ["10.10.0.255"]}, "allowed_ip_ranges", "no address is left"),
        ({"network_type": "vlam"}, "network_type", "vlan"),
        ({"network_type": "vlan"}, "segmentation_id", "1 to 4094"),
        ({"network_type": "vlan", "segmentation_id": 5000}, "segmentation_id", "1 to 4094"),
        ({"segmentation_id": 7}, "segmentation_id", "network_type = vlan"),
        ({"mtu": 100}, "mtu", "576"),
        ({"mtu": "large"}, "mtu", "digits"),
        ({"ipv6_gateway": "10.10.0.1"}, "ipv6_gateway", "write it as gateway"),
        ({"ipv6_mask": "64"}, "ipv6_gateway", "ipv6_mask is set"),
        ({"ipv6_gateway": "fd00::1"}, "ipv6_mask", "missing"),
        ({"connectivity": "tunnelled"}, "connectivity", "direct or routed"),
        ({"cidr": "10.10.0.0/24"}, "mask", "leave one of them out"),
        ({"mask": None, "cidr": "10.10.0.5/24"}, "cidr", "host bits"),
        ({"mask": None, "cidr": "10.10.0.0/31"}, "cidr", "1 to 30"),
        ({"mask": None, "cidr": "10.11.0.0/24"}, "gateway", "not inside 10.11.0.0/24"),
        ({"ipv6_cidr": "10.11.0.0/24"}, "ipv6_cidr", "write it as cidr"),
        ({"ipv6_allowed_ip_ranges": ["fd00::5"]}, "ipv6_gateway", "or ipv6_cidr"),
        ({"routes": ["192.168.0.0/16"]}, "routes", "CIDR via ROUTER"),
        ({"routes": ["192.168.0.0/16 via somebody"]}, "routes", "CIDR via ROUTER"),
        ({"routes": ["192.168.1.0/16 via 10.10.0.2"]}, "routes", "host bits"),
        ({"routes": ["192.168.0.0/16 via fd00::2"]}, "routes", "mixes IPv4 and IPv6"),
        ({"routes": ["192.168.0.0/16 via 10.11.0.2"]}, "routes", "address of 10.10.0.0/24"),
        ({"routes": ["192.168.0.0/16 via 10.10.0.255"]}, "routes", "broadcast"),
        ({"routes": ["0.0.0.0/0 via 10.10.0.2"]}, "routes", "write its router as gateway"),
        ({"routes": ["10.10.0.0/16 via 10.10.0.2"]}, "routes", "themselves"),
        (
            {"routes": ["192.168.0.0/16 via 10.10.0.2", "192.168.0.0/16 via 10.10.0.3"]},
            "routes",
            "twice",
        ),
        ({"routes": ["fd07::/64 via fd00::2"]}, "routes", "address of 10.10.0.0/24"),
        ({"probe_seconds": "0"}, "probe_seconds", "0.1 to 10"),
        ({"probe_seconds": "soon"}, "probe_seconds", "0.1 to 10"),
        ({"probe_again_seconds": "never"}, "probe_again_seconds", "digits"),
        ({"warn_percent": "101"}, "warn_percent", "1 to 100"),
    ],
)
def test_flat_faults(changed: dict[str, object], option: str, says: str) -> None:
    """Each fault is one line that names section and option, and says what to write."""
    lines = StandalonePlugin.faults("flat1", {**GOOD, **changed}, FLAT)
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"[flat1] {option}: ")
    assert says in lines[0]


@pytest.mark.parametrize(
    ("changed", "option", "says"),
    [
        ({"segmentation_ids": None}, "segmentation_ids", "2000-2999"),
        ({"segmentation_ids": "2999-2000"}, "segmentation_ids", "first-last"),
        ({"segmentation_ids": "0-9"}, "segmentation_ids", "1-16777215"),
        ({"segmentation_type": "flat"}, "segmentation_type", "vlan, vxlan"),
        ({"segmentation_type": "vlan", "segmentation_ids": "1-5000"}, "segmentation_ids", "4094"),
        ({"service_cidr": None}, "service_cidr", "10.254.0.0/16"),
        ({"service_cidr": "10.254.0.1/16"}, "service_cidr", "host bits"),
        ({"service_cidr": "fd00::/48"}, "service_cidr", "ipv6_service_cidr"),
        ({"service_prefix": 8}, "service_prefix", "16 to 30"),
    ],
)
def test_managed_faults(changed: dict[str, object], option: str, says: str) -> None:
    """The same for what networks of our own are made of."""
    lines = StandalonePlugin.faults("managed1", {**MANAGED, **changed}, MANAGED_MODE)
    assert any(line.startswith(f"[managed1] {option}: ") and says in line for line in lines), lines


def test_routed_needs_networks_of_its_own() -> None:
    """``routed`` without segmentation IDs is refused; ``direct`` needs nothing."""
    (line,) = StandalonePlugin.faults("m", {"connectivity": "routed"}, MANAGED_MODE)
    assert "segmentation_ids" in line
    assert StandalonePlugin.faults("m", {}, MANAGED_MODE) == []


def test_every_fault_at_once() -> None:
    """An administrator sees all of them in one go."""
    values = {"gateway": "10.0.0.1", "mask": "40", "network_type": "x", "mtu": "y"}
    assert len(StandalonePlugin.faults("flat1", values, FLAT)) == 3


@pytest.mark.parametrize("mask", ["24", "255.255.255.0"])
def test_masks(mask: str) -> None:
    """Bits or dotted."""
    settings = Settings.parse("flat1", {**GOOD, "mask": mask}, FLAT)
    assert settings.flat is not None
    assert str(settings.flat.subnets[0].cidr) == "10.10.0.0/24"


def test_dual_stack() -> None:
    """Both IP versions make two subnets of one segment, IPv4 first."""
    both = {**GOOD, "ipv6_gateway": "fd00::1", "ipv6_mask": "64", "mtu": 9000}
    settings = Settings.parse("flat1", both, FLAT)
    assert settings.flat is not None
    assert [str(item.cidr) for item in settings.flat.subnets] == ["10.10.0.0/24", "fd00::/64"]
    assert settings.flat.mtu == 9000


@pytest.mark.parametrize(
    ("values", "cidrs"),
    [
        ({"cidr": "10.10.0.0/24"}, ["10.10.0.0/24"]),
        ({"ipv6_cidr": "fd00::/64"}, ["fd00::/64"]),
        ({"cidr": "fd00::/64"}, ["fd00::/64"]),
        ({"cidr": "10.10.0.0/24", "ipv6_cidr": "fd00::/64"}, ["10.10.0.0/24", "fd00::/64"]),
    ],
)
def test_networks_without_a_gateway(values: dict[str, object], cidrs: list[str]) -> None:
    """The network is named itself; every host's address of it may be given."""
    settings = Settings.parse("flat1", values, FLAT)
    assert settings.flat is not None
    assert [str(item.cidr) for item in settings.flat.subnets] == cidrs
    assert all(item.gateway is None for item in settings.flat.subnets)
    for pool in flat_pools("flat1", settings):
        assert pool.reserved == ipam.reserved(pool.subnet.cidr, ())


def test_routes_go_to_their_ip_version() -> None:
    """Each subnet has its own, in order, and their routers are given to nobody."""
    first, second = "192.168.0.0/16 via 10.10.0.2", "172.16.0.0/12 via 10.10.0.3"
    routes = [first, "fd07::/64 via fd00::2", second]
    settings = Settings.parse("flat1", {**GOOD, "ipv6_cidr": "fd00::/64", "routes": routes}, FLAT)
    assert settings.flat is not None
    four, six = settings.flat.subnets
    told = [f"{item.destination} via {item.next_hop}" for item in (*four.routes, *six.routes)]
    assert told == [first, second, routes[1]]
    reserved = [set(map(str, pool.reserved)) for pool in flat_pools("flat1", settings)]
    assert {"10.10.0.1", "10.10.0.2", "10.10.0.3"} <= reserved[0]
    assert reserved[1] == {"fd00::", "fd00::2"}


HOSTS = st.integers(1, 254)


@given(ranges=st.lists(st.tuples(HOSTS, HOSTS), min_size=1, max_size=4), gateway=HOSTS)
def test_what_is_accepted_can_be_given(ranges: list[tuple[int, int]], gateway: int) -> None:
    """Any ranges: either there is a fault, or every address of them is a host's, and nobody's."""
    texts = [f"10.10.0.{first}-10.10.0.{last}" for first, last in ranges]
    values = {"gateway": f"10.10.0.{gateway}", "mask": "24", "allowed_ip_ranges": texts}
    faults = StandalonePlugin.faults("flat1", values, FLAT)
    numbers = [n for first, last in ranges for n in range(first, last + 1)]
    ordered = all(first <= last for first, last in ranges)
    assert bool(faults) is not (
        ordered and len(set(numbers)) == len(numbers) and gateway not in numbers
    )
    if not faults:
        (pool,) = StandalonePlugin.address_pools("flat1", values)
        found = measure(pool, [], {}, datetime.now(UTC))
        assert (found.size, found.free, found.reserved) == (len(numbers), len(numbers), 0)


def test_vlan_network() -> None:
    """A flat network may be a VLAN of the site's."""
    values = {**GOOD, "network_type": "vlan", "segmentation_id": 7, "physical_network": "p"}
    segment = Settings.parse("flat1", values, FLAT).flat
    assert segment is not None
    assert (segment.network_type, segment.segmentation_id) == (NetworkType.VLAN, 7)
    assert segment.wire == "vlan:p:7"


def test_tunnels_take_their_overhead() -> None:
    """Networks of our own over VXLAN have an MTU that fits into Ethernet; VLANs the full one."""
    values = {key: value for key, value in MANAGED.items() if key != "mtu"}
    vxlan = Settings.parse("m", values, MANAGED_MODE).plan
    vlan = Settings.parse("m", {**values, "segmentation_type": "vlan"}, MANAGED_MODE).plan
    assert vxlan is not None
    assert vlan is not None
    assert (vxlan.mtu, vlan.mtu) == (1450, 1500)


def test_upstream_names_are_understood() -> None:
    """The option names of a manila.conf mean the same."""
    conf = cfg.ConfigOpts()
    conf.register_opts(list(StandalonePlugin.options), "flat1")
    names = {
        "gateway": "10.10.0.1",
        "mask": "24",
        "network_type": "vlan",
        "segmentation_id": "7",
        "allowed_ip_ranges": "10.10.0.10-10.10.0.20,10.10.0.30-10.10.0.40",
        "mtu": "1400",
    }
    text = "[flat1]\n" + "".join(
        f"standalone_network_plugin_{name} = {value}\n" for name, value in names.items()
    )
    with_file = _parsed(conf, text)
    values = {option.dest: with_file["flat1"][option.dest] for option in StandalonePlugin.options}
    assert StandalonePlugin.faults("flat1", values, FLAT) == []
    segment = Settings.parse("flat1", values, FLAT).flat
    assert segment is not None
    assert (segment.segmentation_id, segment.mtu) == (7, 1400)


def _parsed(conf: cfg.ConfigOpts, text: str) -> cfg.ConfigOpts:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        conf(["--config-file", file.name])
    return conf
