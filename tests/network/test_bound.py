"""The real helper: what drivers get, and what is left after anything went wrong."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from sqlalchemy import func, select
from worlds import (
    MANAGED,
    PROJECT,
    flat_values,
    left_in,
    plugin_on,
    register,
    segment,
    share_server,
    url_of,
)

from abaca import steps
from abaca.db import allocations, segments, tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry
from abaca.errors import (
    AddressesExhausted,
    AllocationLost,
    InvalidNetwork,
    NetworkUnavailable,
)
from abaca.modes import DriverMode
from abaca.network.bound import (
    Binding,
    BoundFlat,
    BoundManaged,
    collect,
    flat_subnet,
    helper_for,
)
from abaca.network.fake import FakePlugin
from abaca.network.helper import FlatHelper, HelperSubnet, ManagedHelper
from abaca.network.plugin import (
    Label,
    NetworkMaker,
    NetworkPlugin,
    NetworkType,
    PluginHost,
    SubnetRef,
)
from abaca.steps import FAULT_VARIABLE
from abaca.testing.power import Power, PowerCut
from abaca.testing.recording_fabric import RecordingFabric

RANGES = "10.10.0.10-10.10.0.40"
STEPS = ("claim", "ensure", "allocate", "check", "record")
END_STEPS = ("release", "remove", "discard")
ADOPTION_STEPS = ("adopt", "forget", "leave")


def _flat(
    database: Database, plugin: NetworkPlugin, server: str, *, section: str = "flat1"
) -> BoundFlat:
    made = helper_for(
        DriverMode.FLAT,
        Binding(
            plugin=plugin,
            database=database,
            section=section,
            server_id=server,
            subnets=(flat_subnet(section),),
            host="host1",
            patience=2,
        ),
    )
    assert isinstance(made, BoundFlat)
    return made


def _managed(
    database: Database,
    plugin: NetworkPlugin,
    server: str,
    *subnets: SubnetRef,
    label: Label = Label.USER,
) -> BoundManaged:
    made = helper_for(
        DriverMode.MANAGED,
        Binding(
            plugin=plugin,
            database=database,
            section="net",
            server_id=server,
            subnets=subnets,
            host="host1",
            label=label,
            patience=2,
        ),
    )
    assert isinstance(made, BoundManaged)
    return made


def _flat_plugin(database: Database, *ranges: str, section: str = "flat1") -> NetworkPlugin:
    return plugin_on(database, flat_values(*ranges), DriverMode.FLAT, section=section)


def _fake(mode: DriverMode = DriverMode.FLAT) -> FakePlugin:
    host = PluginHost(name="host1", mode=mode, ledger=None, registry=None, fabric=None)  # type: ignore[arg-type]
    return FakePlugin.from_config(f"fake-{time.monotonic_ns()}", {}, host)


def _rows(database: Database) -> int:
    with database.read() as tx:
        known = tx.scalar(select(func.count()).select_from(tables.segments))
        return int(tx.scalar(select(func.count()).select_from(tables.allocations))) + int(known)


class RecordingDriver:
    """A driver that writes down everything that a helper has, and has no other source."""

    def flat(self, helper: FlatHelper) -> dict[str, object]:
        """Every field of the flat helper."""
        return {
            **_fields("", helper.subnet),
            "addresses": [str(item.address) for item in helper.addresses(2)],
        }

    def managed(self, helper: ManagedHelper) -> list[dict[str, object]]:
        """Every field of each interface."""
        return [
            {
                "address": str(item.address),
                "network_address": str(item.network_address),
                "netmask": str(item.netmask),
                "broadcast": str(item.broadcast),
                "gateway": str(item.gateway),
                "segmentation_type": str(item.segmentation_type),
                "segmentation_id": item.segmentation_id,
                "physical_network": item.physical_network,
                "mtu": item.mtu,
                "mac_address": item.mac_address,
                "routes": [f"{r.destination} via {r.next_hop}" for r in item.routes],
                "index": item.index,
            }
            for item in helper.interfaces()
        ]


def _fields(prefix: str, subnet: HelperSubnet) -> dict[str, object]:
    names = ("network_address", "netmask", "broadcast", "gateway", "prefix_length", "mtu")
    return {f"{prefix}{name}": str(getattr(subnet, name)) for name in names}


def test_flat_gives_every_field(database: Database) -> None:
    """Network address, netmask, broadcast, gateway and addresses: what the network spec names."""
    server = share_server(database)
    helper = _flat(database, _flat_plugin(database, RANGES), server)
    assert RecordingDriver().flat(helper) == {
        "network_address": "10.10.0.0",
        "netmask": "255.255.255.0",
        "broadcast": "10.10.0.255",
        "gateway": "10.10.0.1",
        "prefix_length": "24",
        "mtu": "1500",
        "addresses": ["10.10.0.10", "10.10.0.11"],
    }


def test_flat_values_are_the_same_for_all_servers(database: Database) -> None:
    """Servers of any project differ in their addresses and in nothing else."""
    plugin = _flat_plugin(database, RANGES)
    seen = [
        RecordingDriver().flat(_flat(database, plugin, share_server(database, f"project{number}")))
        for number in range(5)
    ]
    addresses = [address for item in seen for address in item.pop("addresses")]  # type: ignore[attr-defined]
    assert len(set(addresses)) == 10
    assert all(item == seen[0] for item in seen)


def test_managed_gives_every_field(database: Database) -> None:
    """In managed mode also segmentation, MTU, MAC and routes, on each subnet."""
    tenant = register(database, segment("192.168.5.0/24"))
    plugin = plugin_on(
        database,
        {**MANAGED, "connectivity": "routed", "physical_network": "physnet1"},
        DriverMode.MANAGED,
        fabric=RecordingFabric(),
    )
    refs = [SubnetRef(key=key, project_id=PROJECT, net_id=tenant.id) for key in ("s1", "s2")]
    first, second = RecordingDriver().managed(
        _managed(database, plugin, share_server(database), *refs)
    )
    mac = str(first.pop("mac_address"))
    assert mac.startswith("02:")
    assert mac != second["mac_address"]
    assert first == {
        "address": "10.254.0.2",
        "network_address": "10.254.0.0",
        "netmask": "255.255.255.240",
        "broadcast": "10.254.0.15",
        "gateway": "10.254.0.1",
        "segmentation_type": "vxlan",
        "segmentation_id": 2000,
        "physical_network": "physnet1",
        "mtu": 1400,
        "routes": ["192.168.5.0/24 via 10.254.0.1"],
        "index": 0,
    }
    assert (second["index"], second["segmentation_id"]) == (1, 2001)


def test_dual_stack_interface_has_two_addresses(database: Database) -> None:
    """One interface per segment, whatever IP versions it has; IPv6 has no broadcast."""
    tenant = register(database, segment("192.168.5.0/24", "fd00:5::/64"))
    plugin = plugin_on(database, {}, DriverMode.MANAGED)
    helper = _managed(
        database,
        plugin,
        share_server(database),
        SubnetRef(key="s1", project_id=PROJECT, net_id=tenant.id),
    )
    (found,) = helper.interfaces()
    assert [item.address.version for item in found.addresses] == [4, 6]
    assert found.addresses[1].subnet.broadcast is None
    assert found.segmentation_type is NetworkType.VXLAN


def test_helper_has_no_other_way_to_addresses() -> None:
    """The protocols that drivers see name no other server, claim or plugin."""
    for protocol in (FlatHelper, ManagedHelper):
        names = {name for name in vars(protocol) if not name.startswith("_")}
        assert names <= {"subnet", "subnets", "addresses", "interfaces", "admin"}


def test_calls_are_repeatable_and_grow(database: Database) -> None:
    """The same on every call, by any process; a larger count keeps the first ones."""
    server = share_server(database)
    one = _flat(database, _flat_plugin(database, RANGES), server).addresses(1)
    helper = _flat(database, _flat_plugin(database, RANGES), server)
    assert helper.addresses(1) == one
    three = helper.addresses(3)
    assert three[:1] == one
    assert helper.addresses(2) == three[:2]


def test_recorded_addresses_need_no_plugin(database: Database) -> None:
    """A server is brought back after a reboot while the network service is down."""
    fake, server = _fake(), share_server(database)
    helper = _flat(database, fake, server)
    addresses, subnet = helper.addresses(2), helper.subnet
    down = [NetworkUnavailable("down")] * 100
    for verb in ("describe", "create_port", "check"):
        fake.cloud.fail(verb, *down)
    assert helper.addresses(2) == addresses
    assert helper.subnet == subnet


def test_32_servers_on_31_addresses(database: Database) -> None:
    """In parallel, through helpers of several backends: 31 have one, one is refused, none twice."""
    plugins = [_flat_plugin(database, RANGES) for _ in range(3)]
    servers = [share_server(database, f"project{number}") for number in range(32)]

    def one(number: int) -> str | None:
        helper = _flat(database, plugins[number % 3], servers[number])
        try:
            return str(helper.addresses()[0].address)
        except AddressesExhausted:
            return None

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(one, range(32)))
    given = [item for item in found if item is not None]
    assert (len(given), len(set(given)), found.count(None)) == (31, 31, 1)
    refused = servers[found.index(None)]
    with database.read() as tx:
        assert allocations.of_server(tx, refused) == []


def test_unavailable_is_retried(database: Database) -> None:
    """Only NetworkUnavailable is tried again, and the answer is as if nothing had been."""
    fake = _fake()
    fake.cloud.fail("create_port", NetworkUnavailable("busy"), NetworkUnavailable("busy"))
    fake.cloud.fail("check", NetworkUnavailable("port is down"))
    helper = _flat(database, fake, share_server(database))
    assert len(helper.addresses(2)) == 2
    assert len(fake.cloud.ports) == 2
    assert fake.cloud.calls.count("check") == 2


def test_unavailable_for_long_keeps_the_claim(database: Database) -> None:
    """Patience ends, the claim stays, and the next call goes on with the same address."""
    fake, server = _fake(), share_server(database)
    helper = _flat(database, fake, server)
    fake.cloud.fail("check", *[NetworkUnavailable("port is down")] * 200)
    impatient = BoundFlat(dataclasses.replace(helper._binding, patience=0.2))
    with pytest.raises(NetworkUnavailable):
        impatient.addresses()
    (port,) = fake.cloud.ports
    fake.cloud._faults.clear()
    assert helper.addresses()[0].address == port.allocation.addresses[0]
    assert len(fake.cloud.ports) == 1


@pytest.mark.parametrize("verb", ["describe", "create_port", "check"])
def test_failure_leaves_nothing(database: Database, verb: str) -> None:
    """Any other failure releases what this call took, and keeps what the server had."""
    fake, server = _fake(), share_server(database)
    helper = _flat(database, fake, server)
    first = helper.addresses(1)
    fake.cloud.fail(verb, AllocationLost("gone"))
    with pytest.raises(AllocationLost):
        helper.addresses(3)
    assert [item.allocation.addresses[0] for item in fake.cloud.ports] == [first[0].address]
    assert helper.addresses(1) == first


def test_failed_release_is_finished_later(database: Database) -> None:
    """Rows stay until the plugin has let go."""
    fake, server = _fake(), share_server(database)
    helper = _flat(database, fake, server)
    fake.cloud.fail("check", AllocationLost("gone"))
    fake.cloud.fail("delete_port", AllocationLost("no"))
    with pytest.raises(AllocationLost):
        helper.addresses()
    assert _rows(database) == 1
    helper.release_all()
    assert (_rows(database), fake.cloud.ports) == (0, [])


def test_what_was_asked_for_after_its_rows_had_gone_is_released(database: Database) -> None:
    """Who slept goes on after another process has released all: addresses and network too."""
    fabric = RecordingFabric()
    tenant = register(database, segment("192.168.5.0/24"))
    plugin = plugin_on(
        database, {**MANAGED, "connectivity": "routed"}, DriverMode.MANAGED, fabric=fabric
    )
    subnet = SubnetRef(key="s1", project_id=PROJECT, net_id=tenant.id)
    server = share_server(database)
    sleeper = _managed(database, plugin, server, subnet)
    (nic,) = sleeper.interfaces()
    with database.read() as tx:
        claims = [row.claim for row in allocations.of_server(tx, server)]
    _managed(database, plugin, server, subnet).release_all()
    assert left_in(database, fabric) == []
    assert isinstance(plugin, NetworkMaker)
    plugin.ensure_network(subnet, host="host1")
    (again,) = plugin.allocate(subnet, claims, host="host1")
    assert [item.address for item in nic.addresses] == list(again.addresses)
    assert left_in(database, fabric) != []
    sleeper.release_all()
    assert left_in(database, fabric) == []


def test_garbage_is_refused(database: Database) -> None:
    """A plugin that does not answer every claim is named, and its answer not used."""

    class Forgetful(FakePlugin):
        """Answers one claim too few."""

        def allocate(self, *args: object, **kwargs: object) -> list[object]:  # type: ignore[override]
            """All but the last."""
            return super().allocate(*args, **kwargs)[:-1]  # type: ignore[arg-type]

    fake = _fake()
    plugin = Forgetful(fake._cidrs, DriverMode.FLAT, fake.cloud, makes=False)
    with pytest.raises(InvalidNetwork, match="fake"):
        _flat(database, plugin, share_server(database)).addresses(2)
    assert (_rows(database), fake.cloud.ports) == (0, [])


def test_labels_are_apart(database: Database) -> None:
    """Releasing a server's user addresses leaves its admin ones, and the network under them."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED)
    server, subnet = share_server(database), SubnetRef(key="s1", project_id=PROJECT)
    user = _managed(database, plugin, server, subnet)
    admin = _managed(database, plugin, server, subnet, label=Label.ADMIN)
    user.interfaces()
    kept = admin.interfaces()
    user.release_all()
    with database.read() as tx:
        assert {row.claim.label for row in allocations.of_server(tx, server)} == {Label.ADMIN}
    admin.check()
    assert admin.interfaces() == kept
    admin.release_all()
    assert left_in(database, RecordingFabric()) == []


def test_network_goes_with_the_last_server(database: Database) -> None:
    """Made for the first, kept for the second, gone after both; a lost router is brought back."""
    fabric = RecordingFabric()
    tenant = register(database, segment("192.168.5.0/24"))
    plugin = plugin_on(
        database, {**MANAGED, "connectivity": "routed"}, DriverMode.MANAGED, fabric=fabric
    )
    subnet = SubnetRef(key="s1", project_id=PROJECT, net_id=tenant.id)
    helpers = [
        _managed(database, plugin, share_server(database, f"p{number}"), subnet)
        for number in range(2)
    ]
    for helper in helpers:
        helper.interfaces()
    (router,) = fabric.routers()
    fabric.remove_router(router)
    helpers[0].interfaces()
    assert fabric.routers() == [router]
    assert len(helpers[0].tenant_routes()) == 1
    helpers[0].release_all()
    assert fabric.routers() == [router]
    helpers[1].release_all()
    helpers[1].release_all()
    assert left_in(database, fabric) == []
    assert _rows(database) == 0


def test_servers_come_and_go_at_the_same_time(database: Database) -> None:
    """However the first and the last server on a network cross: each works, and nothing is left."""
    fabric = RecordingFabric()
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED, fabric=fabric)
    subnet = SubnetRef(key="s1", project_id=PROJECT)
    servers = [share_server(database, f"p{number}") for number in range(12)]

    def live(server: str) -> str:
        helper = _managed(database, plugin, server, subnet)
        seen = helper.interfaces()
        helper.check()
        assert helper.interfaces() == seen
        helper.release_all()
        return server

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(live, servers)) == servers
    assert left_in(database, fabric) == []


def test_two_that_leave_together(database: Database) -> None:
    """In processes that know nothing of each other, the later one takes the network away."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED)
    subnet = SubnetRef(key="s1", project_id=PROJECT)
    both = [_managed(database, plugin, share_server(database, f"p{n}"), subnet) for n in range(2)]
    claims = [[helper._claim(subnet, 0)] for helper in both]
    for helper in both:
        helper.interfaces()
    for helper, claim in zip(both, claims, strict=True):
        helper._release(claim)
    both[0]._remove(subnet, claims[0])
    assert DatabaseRegistry(database).made("net", "s1") is not None
    both[1]._remove(subnet, claims[1])
    assert DatabaseRegistry(database).made("net", "s1") is None
    assert both[0].interfaces()[0].segmentation_id == 2000
    for helper in both:
        helper.release_all()
    assert left_in(database, RecordingFabric()) == []


def test_failed_growth_keeps_the_network(database: Database) -> None:
    """A server that wanted more than there is keeps what it had, and the network that it is on."""
    fake, server = _fake(DriverMode.MANAGED), share_server(database)
    helper = _managed(database, fake, server, SubnetRef(key="s1", project_id=PROJECT))
    kept = helper.interfaces(1)
    fake.cloud.fail("check", AllocationLost("gone"))
    with pytest.raises(AllocationLost):
        helper.interfaces(2)
    assert list(fake.cloud.networks) == ["made:s1"]
    assert helper.interfaces(1) == kept
    helper.release_all()
    assert (fake.cloud.networks, fake.cloud.ports) == ({}, [])


def test_segments_are_recorded_for_people(database: Database) -> None:
    """While a server is on a subnet, what it is can be read, by section; then not."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED)
    subnet = SubnetRef(key="s1", project_id=PROJECT)
    helper = _managed(database, plugin, share_server(database), subnet)
    helper.interfaces()
    with database.read() as tx:
        assert segments.of_subnet(tx, "s1") == {"net": plugin.describe(subnet)}
    helper.release_all()
    with database.read() as tx:
        assert segments.of_subnet(tx, "s1") == {}


def test_collect_keeps_what_rows_claim(database: Database) -> None:
    """The audit removes an address without a row, and no other."""
    plugin = _flat_plugin(database, RANGES)
    helper = _flat(database, plugin, share_server(database))
    kept = helper.addresses()
    lost = _flat(database, plugin, share_server(database))
    lost.addresses()
    with database.write() as tx:
        rows = allocations.of_server(tx, lost._binding.server_id)
        allocations.discard(tx, "flat1", [row.claim for row in rows])
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert len(collect(plugin, database, soon)) == 1
    assert collect(plugin, database, soon) == []
    helper.check()
    assert helper.addresses() == kept


def _crashing(
    database: Database, power: Power, fabric: RecordingFabric, server: str
) -> Callable[[], BoundManaged]:
    """Helpers as a restarted process makes them, with power that may be cut."""
    subnet = SubnetRef(key="s1", project_id=PROJECT, net_id="net1")
    values = {**MANAGED, "connectivity": "routed"}

    def make() -> BoundManaged:
        plugin = plugin_on(database, values, DriverMode.MANAGED, fabric=fabric, power=power)
        return _managed(database, plugin, server, subnet)

    return make


def test_power_cut_anywhere(database: Database) -> None:
    """Cut after each outside call of set-up and removal: repeating ends the same, then clean."""
    register(database, segment("192.168.5.0/24"))
    power, fabric, server = Power(), RecordingFabric(), share_server(database)
    make = _crashing(database, power, fabric, server)
    for calls in range(1, 60):
        cuts = 0
        for work in (lambda: make().interfaces(2), lambda: make().release_all()):
            power.cut_after(calls)
            try:
                work()
            except PowerCut:
                cuts += 1
            power.cut_after(None)
            if cuts and not calls % 2:
                make().release_all()
                assert left_in(database, fabric) == []
        if len(make().interfaces(2)) == 2:
            assert make().interfaces(2) == make().interfaces(2)
        make().release_all()
        assert left_in(database, fabric) == []
        assert _rows(database) == 0
        if not cuts:
            assert calls > 8
            return
    pytest.fail("more outside calls than thought")


CHILD = """
import sys
from ipaddress import ip_address
sys.path.insert(0, sys.argv[1])
from worlds import MANAGED, PROJECT, plugin_on
from abaca.db.database import Database
from abaca.modes import DriverMode
from abaca.network.bound import Binding, BoundManaged
from abaca.network.plugin import SubnetRef
database = Database(sys.argv[2])
helper = BoundManaged(Binding(
    plugin=plugin_on(database, MANAGED, DriverMode.MANAGED),
    database=database, section="net", server_id=sys.argv[3], host="host1",
    subnets=(SubnetRef(key="s1", project_id=PROJECT),),
))
if sys.argv[4] == "obtain":
    helper.interfaces(2)
elif sys.argv[4] == "forget":
    helper.forget_all()
elif sys.argv[4].startswith("adopt "):
    helper.adopt([ip_address(sys.argv[4].removeprefix("adopt "))])
else:
    helper.release_all()
"""


def _killed(database: Database, server: str, verb: str, fault: str) -> bool:
    """Run it in a process that kills itself at the fault point; True if it did."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            CHILD,
            str(Path(__file__).parent),
            url_of(database),
            server,
            verb,
        ],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, FAULT_VARIABLE: fault},
    )
    return done.returncode == -signal.SIGKILL


def _again(database: Database, server: str) -> BoundManaged:
    """The same helper in this process, as after a restart."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED)
    return _managed(database, plugin, server, SubnetRef(key="s1", project_id=PROJECT))


def test_the_steps_are_those_tried() -> None:
    """A new step of the helper must be added to the crash tests below."""
    mine = {name.removeprefix("network.") for name in steps.names() if name.startswith("network.")}
    assert mine == {*STEPS, *END_STEPS, *ADOPTION_STEPS}


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", ["forget", "leave"])
def test_kill_9_while_left_and_adopted(database: Database, step: str, side: str) -> None:
    """An address that is left is nobody's until it is adopted, whenever the process dies."""
    first, other, last = (share_server(database) for _ in range(3))
    (left,) = _again(database, first).interfaces(1)
    assert _killed(database, first, "forget", f"network.{step}:{side}")
    for _ in range(2):
        _again(database, first).forget_all()
    with database.read() as tx:
        assert allocations.of_server(tx, first) == []
    (taken,) = _again(database, other).interfaces(1)
    assert taken.address != left.address

    assert _killed(database, last, f"adopt {left.address}", f"network.adopt:{side}")
    for _ in range(2):
        _again(database, last).adopt([left.address])
    (adopted,) = _again(database, last).interfaces(1)
    assert adopted.address == left.address
    with pytest.raises(InvalidNetwork, match="no address"):
        _again(database, last).adopt([ip_address("203.0.113.1")])
    for server in (other, last):
        _again(database, server).release_all()
    _clean(database)


def test_subnets_come_and_go(database: Database) -> None:
    """A helper whose subnets changed says so, and gives back what it holds on none of them."""
    for number in (1, 2):
        net = segment(f"192.168.{number}.0/24", number=100 + number)
        register(database, net, name=f"net{number}")
    one, two = (SubnetRef(key=n, project_id=PROJECT, net_id=n) for n in ("net1", "net2"))
    server = share_server(database)
    plugin = plugin_on(database, {**MANAGED, "connectivity": "direct"}, DriverMode.MANAGED)
    _managed(database, plugin, server, one).interfaces(1)
    both = _managed(database, plugin, server, one, two)
    assert both.outdated()
    assert len(both.interfaces(1)) == 2
    assert not both.outdated()
    only = _managed(database, plugin, server, two)
    assert only.outdated()
    for _ in range(2):
        only.release_others()
    assert not only.outdated()
    assert [str(item.address)[:10] for item in only.interfaces(1)] == ["192.168.2."]
    with database.read() as tx:
        assert {row.claim.subnet for row in allocations.of_server(tx, server)} == {"net2"}
    only.release_all()
    assert left_in(database, RecordingFabric()) == []


@pytest.mark.parametrize("name", STEPS)
def test_kill_9_while_obtaining(database: Database, name: str) -> None:
    """Killed before or after each step, then repeated or released at once: nothing is lost."""
    server = share_server(database)
    assert _killed(database, server, "obtain", f"network.{name}:before")
    found = _again(database, server).interfaces(2)
    assert [str(item.address) for item in found] == ["10.254.0.2", "10.254.0.3"]
    _again(database, server).release_all()
    _clean(database)
    assert _killed(database, server, "obtain", f"network.{name}:after")
    _again(database, server).release_all()
    _clean(database)


@pytest.mark.parametrize("name", END_STEPS)
def test_kill_9_while_releasing(database: Database, name: str) -> None:
    """Killed before and after each step of removal, and repeated: nothing is left."""
    server = share_server(database)
    for when in ("before", "after"):
        _again(database, server).interfaces(2)
        assert _killed(database, server, "release", f"network.{name}:{when}")
        _again(database, server).release_all()
        _clean(database)


def _clean(database: Database) -> None:
    assert _rows(database) == 0
    assert DatabaseLedger(database).pools("") == []
    assert DatabaseRegistry(database).made_by("net") == []
