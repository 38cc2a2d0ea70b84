"""Addresses are asked for on the wire before they are given: what the standalone plugin does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from sqlalchemy import update
from worlds import flat_values, plugin_on, standalone_subject

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ANSWERED, ForeignAddresses
from abaca.db.networks import DatabaseRegistry
from abaca.errors import (
    AddressesExhausted,
    AllocationConflict,
    InvalidNetwork,
    NetworkUnavailable,
)
from abaca.manager.supervision import Supervisor
from abaca.modes import DriverMode
from abaca.network.plugin import AsksNeighbours, Claim, IPAddress, Label, PluginHost, SubnetRef
from abaca.network.standalone import StandalonePlugin
from abaca.network.standalone_probe import TRIES
from abaca.testing.network_suite import NetworkPluginSuite, Subject
from abaca.testing.power import Power, PowerCut
from abaca.testing.recording_fabric import RecordingFabric
from support.control_plane import backend

SUBNET = SubnetRef(key="flat1")
MAC = "02:00:00:00:00:01"
FEW = "10.10.0.10-10.10.0.13"
FIRST = ip_address("10.10.0.10")
CALLS = 14
"""To ledger and wire, for an address that comes after two of others."""


def flat(
    database: Database,
    fabric: RecordingFabric | None,
    *ranges: str,
    power: Power | None = None,
    **more: object,
) -> StandalonePlugin:
    """A section that probes."""
    values = {**flat_values(*(ranges or (FEW,))), "probe_addresses": True, **more}
    return plugin_on(database, values, DriverMode.FLAT, section="flat1", fabric=fabric, power=power)


def others(*numbers: int) -> RecordingFabric:
    """A wire on which somebody has these addresses."""
    fabric = RecordingFabric()
    fabric.others = {ip_address(f"10.10.0.{number}"): MAC for number in numbers}
    return fabric


def claim(index: int = 0) -> Claim:
    """A claim of a new share server."""
    return Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet="flat1", index=index)


def one(plugin: StandalonePlugin, mine: Claim | None = None) -> IPAddress:
    """An address."""
    (found,) = plugin.allocate(SUBNET, [mine or claim()], host="host1")
    return found.addresses[0]


def aside(database: Database) -> list[str]:
    """What is put aside."""
    return [
        str(item.address) for item in ForeignAddresses(database).listed() if item.reason == ANSWERED
    ]


def age(database: Database, **ago: float) -> None:
    """What was put aside, was so that long ago."""
    with database.write() as tx:
        tx.execute(
            update(tables.addresses)
            .where(tables.addresses.c.reason == ANSWERED)
            .values(taken_at=datetime.now(UTC) - timedelta(**ago))
        )


@pytest.mark.every_database
class TestStandaloneFlatProbing(NetworkPluginSuite):
    """The whole suite with probing on; both IP versions."""

    title = "standalone flat probing"

    @pytest.fixture
    def subject(self, database: Database) -> Subject:
        """Twelve IPv4 addresses, a whole /64 of IPv6."""
        values = {
            **flat_values("10.10.0.10-10.10.0.21"),
            "ipv6_cidr": "fd00:10::/64",
            "probe_addresses": True,
        }
        return standalone_subject(database, values, DriverMode.FLAT, capacity=12)

    def test_a_driver_without_wires(self, database: Database) -> None:
        """It is refused, before anything is allocated."""
        with pytest.raises(InvalidNetwork, match="no wires on host host1"):
            flat(database, None).status()


@pytest.mark.every_database
def test_an_address_of_others_is_put_aside(database: Database) -> None:
    """The next one is taken; what was found is told, with who has it."""
    fabric = others(10, 12)
    plugin = flat(database, fabric)
    assert [str(one(plugin)) for _ in range(2)] == ["10.10.0.11", "10.10.0.13"]
    found = ForeignAddresses(database).listed()
    assert [(str(item.address), item.reason, item.who) for item in found] == [
        ("10.10.0.10", ANSWERED, MAC),
        ("10.10.0.12", ANSWERED, MAC),
    ]
    with pytest.raises(AddressesExhausted):
        one(plugin)


def test_several_at_once(database: Database) -> None:
    """All of a server's addresses are asked for together, and only the bad ones are changed."""
    fabric = others(11)
    plugin = flat(database, fabric)
    mine = claim()
    claims = [Claim(owner=mine.owner, label=mine.label, subnet="flat1", index=i) for i in range(3)]
    found = plugin.allocate(SUBNET, claims, host="host1")
    assert [str(item.addresses[0]) for item in found] == ["10.10.0.10", "10.10.0.13", "10.10.0.12"]
    assert [str(item) for item in fabric.asked] == [
        "10.10.0.10",
        "10.10.0.11",
        "10.10.0.12",
        "10.10.0.13",
    ]


def test_a_server_that_runs_is_not_asked_for(database: Database) -> None:
    """What a share server has is its own: it answers itself, and that is no conflict."""
    fabric = others()
    plugin = flat(database, fabric)
    mine = claim()
    address = one(plugin, mine)
    fabric.others[address] = MAC
    asked = list(fabric.asked)
    assert one(plugin, mine) == address
    assert fabric.asked == asked
    assert aside(database) == []


def test_addresses_of_before_are_not_asked_for(database: Database) -> None:
    """Probing switched on while servers run leaves them alone; adopted ones too."""
    mine, adopted = claim(), claim()
    values = flat_values(FEW)
    plugin = plugin_on(database, values, DriverMode.FLAT, section="flat1")
    plugin.allocate(SUBNET, [mine], host="host1")
    fabric = others(10, 12)
    probing = flat(database, fabric)
    probing.adopt(SUBNET, {ip_address("10.10.0.12"): adopted})
    found = [one(probing, item) for item in (mine, adopted)]
    assert [str(item) for item in found] == ["10.10.0.10", "10.10.0.12"]
    assert fabric.asked == []


def test_the_calls_are_those_tried(database: Database) -> None:
    """Undisturbed, an allocation past two addresses of others takes as many calls as are cut."""
    power = Power()
    assert str(one(flat(database, others(10, 11), power=power))) == "10.10.0.12"
    assert power.calls == CALLS


@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_crash_anywhere_gives_no_address_of_others(database: Database, call: int) -> None:
    """Killed after any call, the same claim gets a good address afterwards, and just one."""
    fabric, power, mine = others(10, 11), Power(), claim()
    plugin = flat(database, fabric, power=power)
    power.cut_after(call)
    with pytest.raises(PowerCut):
        one(plugin, mine)
    assert power.calls == call
    again = flat(database, fabric)
    assert str(one(again, mine)) == "10.10.0.12"
    assert aside(database) == ["10.10.0.10", "10.10.0.11"]
    assert DatabaseLedger(database).tentative("flat:flat1/4", [mine]) == {}
    again.release([mine])
    assert len({one(again) for _ in range(2)}) == 2


def test_too_many_in_a_row_is_tried_again_later(database: Database) -> None:
    """A wire full of others does not keep a worker for ever; each try gets further."""
    numbers = range(10, 11 + TRIES)
    plugin = flat(database, others(*numbers), "10.10.0.10-10.10.0.99")
    mine = claim()
    with pytest.raises(NetworkUnavailable, match="in a row"):
        one(plugin, mine)
    assert len(aside(database)) == TRIES
    assert str(one(plugin, mine)) == f"10.10.0.{11 + TRIES}"


def test_what_is_silent_comes_back(database: Database) -> None:
    """After its time it is asked for again: free, at the end of the queue, if nobody answers."""
    fabric = others(10, 11)
    plugin = flat(database, fabric)
    assert str(one(plugin)) == "10.10.0.12"
    del fabric.others[FIRST]
    plugin.look_again()
    assert aside(database) == ["10.10.0.10", "10.10.0.11"]
    age(database, hours=2)
    plugin.look_again()
    assert aside(database) == ["10.10.0.11"]
    age_left = ForeignAddresses(database).listed()[0].since
    assert age_left > datetime.now(UTC) - timedelta(minutes=5)
    assert [str(one(plugin)) for _ in range(2)] == ["10.10.0.13", "10.10.0.10"]


def test_the_sweep_of_a_manager_looks_again(database: Database) -> None:
    """Without any audit; a plugin that can't ask now does not keep the others waiting."""
    plugin = flat(database, fabric := others(10, 11))
    one(plugin)
    fabric.others.clear()
    age(database, hours=2)
    made = [
        backend(name, DriverMode.FLAT, plugin=each, section="flat1")
        for name, each in (("b1", flat(database, None)), ("b2", plugin))
    ]
    Supervisor(db=database, backends=made).sweep()
    assert aside(database) == []


def test_need_asks_earlier(database: Database) -> None:
    """With nothing else free, what was put aside a minute ago is asked for at once."""
    fabric = others(10)
    plugin = flat(database, fabric)
    for _ in range(3):
        one(plugin)
    fabric.others.clear()
    with pytest.raises(AddressesExhausted):
        one(plugin)
    age(database, minutes=2)
    assert one(plugin) == FIRST


def test_nothing_comes_back_without_a_wire(database: Database) -> None:
    """While nobody can be asked; orphans are still removed."""

    class Broken(RecordingFabric):
        def who_has(self, *_args: object, **_kwargs: object) -> dict[IPAddress, str]:
            raise NetworkUnavailable("br-flat1 is down")

    one(flat(database, others(10)))
    age(database, days=1)
    plugin = flat(database, Broken())
    plugin.look_again()
    assert len(plugin.collect([], datetime.now(UTC) + timedelta(hours=1))) == 1
    assert aside(database) == ["10.10.0.10"]
    with pytest.raises(NetworkUnavailable, match="is down"):
        one(plugin)


def test_a_running_server_of_others_can_be_adopted(database: Database) -> None:
    """Its address was put aside since it answered, or listed: then it is its own."""
    plugin, mine = flat(database, others(10)), claim()
    one(plugin)
    (found,) = plugin.adopt(SUBNET, {FIRST: mine})
    assert found.addresses == (FIRST,)
    assert aside(database) == []
    last = ip_address("10.10.0.13")
    ForeignAddresses(database).keep_out({"flat:flat1/4": {last: "printer"}})
    (found,) = plugin.adopt(SUBNET, {last: claim()})
    assert found.addresses == (last,)
    assert ForeignAddresses(database).listed() == []
    with pytest.raises(AllocationConflict, match="belongs to"):
        plugin.adopt(SUBNET, {last: claim()})


def test_ipv6_alone(database: Database) -> None:
    """The same for a /64."""
    fabric = RecordingFabric()
    fabric.others = {ip_address("fd00:10::1"): MAC, ip_address("fd00:10::2"): MAC}
    values = {"ipv6_cidr": "fd00:10::/64", "probe_addresses": True}
    plugin = plugin_on(database, values, DriverMode.FLAT, section="flat1", fabric=fabric)
    assert str(one(plugin)) == "fd00:10::3"


def test_the_wire_of_the_section_is_asked(database: Database) -> None:
    """The network of administrators is on a wire of its own, which the service names."""
    seen: list[str | None] = []

    class Wires(RecordingFabric):
        def who_has(self, *_args: object, wire: str | None, **_kw: object) -> dict[IPAddress, str]:
            seen.append(wire)
            return {}

    fabric = Wires()
    assert isinstance(fabric, AsksNeighbours)
    for name in (None, "admin"):
        host = PluginHost(
            name="host1",
            mode=DriverMode.FLAT,
            ledger=DatabaseLedger(database),
            registry=DatabaseRegistry(database),
            fabric=fabric,
            flat_wire=name,
        )
        values = {**flat_values(FEW), "probe_addresses": True}
        one(StandalonePlugin.from_config("flat1", values, host))
    assert seen == [None, "admin"]


def test_managed_mode_refuses_the_option() -> None:
    """Tenants' networks have their own ledger of addresses: the option would mean nothing."""
    (fault,) = StandalonePlugin.faults("m", {"probe_addresses": True}, DriverMode.MANAGED)
    assert fault.startswith("[m] probe_addresses: ")
