"""Asking on a link who has an address: frames, and real machines in namespaces."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abaca.linux import neighbours
from abaca.testing.netns import Machine, bridge, machines

OWN, OTHER = bytes.fromhex("fe0000000001"), bytes.fromhex("020000000002")
IPV4, IPV6 = ip_address("10.9.0.5"), ip_address("fd00:9::5")
SECONDS = 0.6


@given(st.ip_addresses())
def test_a_question_of_another_is_an_answer(address: neighbours.IPAddress) -> None:
    """Two who are about to take one address see each other; nobody hears himself."""
    asked = neighbours.question(address, OTHER)
    assert neighbours.answer(asked, OWN) == (address, OTHER)
    assert neighbours.answer(asked, OTHER) is None


@given(st.binary(max_size=90))
def test_garbage_is_no_answer(rest: bytes) -> None:
    """Whatever is on the wire, nothing is raised."""
    for kind in (b"\x08\x06", b"\x86\xdd", b"\x08\x00"):
        found = neighbours.answer(bytes(6) + OTHER + kind + rest, OWN)
        assert found is None or found[0].version in {4, 6}


def test_ipv4_question_on_the_wire() -> None:
    """A broadcast ARP request without sender address (RFC 5227, 1.1)."""
    assert neighbours.question(IPV4, OTHER) == bytes.fromhex(
        "ffffffffffff0200000000020806" "0001080006040001" "020000000002" "00000000"
        "000000000000" "0a090005"
    )  # fmt: skip


def test_ipv6_question_on_the_wire() -> None:
    """A neighbour solicitation from :: to the solicited-node group, its checksum right."""
    frame = neighbours.question(IPV6, OTHER)
    assert frame[:6] == bytes.fromhex("3333ff000005")
    packet = frame[14:]
    assert packet[8:24] == bytes(16)
    assert packet[24:40] == ip_address("ff02::1:ff00:5").packed
    assert (packet[6], packet[7], packet[40]) == (58, 255, 135)
    data = packet[8:40] + struct.pack(">II", 24, 58) + packet[40:]
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_ordinary_traffic_is_no_answer() -> None:
    """A solicitation by somebody with an address shows nothing of its target."""
    frame = bytearray(neighbours.question(IPV6, OTHER))
    frame[14 + 8 : 14 + 24] = ip_address("fd00:9::7").packed
    assert neighbours.answer(bytes(frame), OWN) is None


@pytest.fixture
def scene() -> Iterator[tuple[Machine, Machine]]:
    """A host with a bridge, and a machine on it with an address of each version."""
    with machines("host", "printer") as (host, printer):
        bridge(host, "br-flat")
        inside = f"/run/netns/{printer.name}"
        host.run("ip", "link", "add", "port", "type", "veth", "peer", "eth0", "netns", inside)
        host.run("ip", "link", "set", "port", "master", "br-flat", "up")
        printer.run("ip", "addr", "add", f"{IPV4}/24", "dev", "eth0")
        printer.run("ip", "addr", "add", f"{IPV6}/64", "dev", "eth0", "nodad")
        printer.run("ip", "link", "set", "eth0", "up")
        yield host, printer


@pytest.mark.dataplane
def test_who_has_an_address_answers(scene: tuple[Machine, Machine]) -> None:
    """Of several addresses of both versions, those in use are found, with the MAC of the user."""
    host, printer = scene
    asked = [IPV4, ip_address("10.9.0.6"), IPV6, ip_address("fd00:9::6")]
    found = host.call(lambda: neighbours.ask("br-flat", asked, seconds=SECONDS))
    link = printer.run("ip", "-o", "link", "show", "eth0").split("link/ether ")[1].split()[0]
    assert found == {IPV4: link, IPV6: link}
    assert printer.run("ip", "neigh").strip() == ""


@pytest.mark.dataplane
def test_an_answer_that_waits_is_read(scene: tuple[Machine, Machine]) -> None:
    """Also by a process that gets its turn when the time is over."""
    host, _ = scene
    found: dict[neighbours.IPAddress, str] = {}

    def late() -> None:
        with neighbours._opened("br-flat", neighbours._ARP) as via:
            while not select.select([via], [], [], 0.2)[0]:  # until the link is up
                via.send(neighbours.question(IPV4, neighbours._mac(via)))
            neighbours._listen([via], {IPV4}, found, 0.0)

    host.call(late)
    assert list(found) == [IPV4]


@pytest.mark.dataplane
def test_an_address_that_is_being_tested_counts(scene: tuple[Machine, Machine]) -> None:
    """A machine that takes an address at the same moment (duplicate detection) is noticed."""
    host, printer = scene
    wanted = ip_address("fd00:9::77")
    found: dict[object, str] = {}
    printer.run("ip", "link", "set", "eth0", "down")
    printer.run("ip", "link", "set", "eth0", "up")

    def listen() -> None:
        found.update(host.call(lambda: neighbours.ask("br-flat", [wanted], seconds=9)))

    thread = threading.Thread(target=listen)
    thread.start()
    while thread.is_alive():
        # The printer gives up without a word if it hears our question before its own is sent.
        printer.run("ip", "addr", "replace", f"{wanted}/64", "dev", "eth0")
        thread.join(2.5)
        printer.run("ip", "addr", "flush", "dev", "eth0", "to", str(wanted))
    assert list(found) == [wanted]


@pytest.mark.dataplane
def test_a_link_that_is_down_or_absent_is_told(scene: tuple[Machine, Machine]) -> None:
    """Nobody could answer there: that is no answer, but an error."""
    host, _ = scene
    host.run("ip", "link", "set", "br-flat", "down")
    for name in ("br-flat", "nowhere"):
        with pytest.raises(OSError):  # noqa: PT011 - the kernel's words
            host.call(lambda name=name: neighbours.ask(name, [IPV4], seconds=SECONDS))


@pytest.mark.dataplane
def test_nothing_stays_open(scene: tuple[Machine, Machine]) -> None:
    """Sockets are closed, after failures too."""
    host, _ = scene

    def count() -> int:
        with socket.socket() as probe:
            return probe.fileno()

    before = count()
    host.call(lambda: neighbours.ask("br-flat", [IPV4, IPV6], seconds=SECONDS))
    with pytest.raises(OSError):  # noqa: PT011 - the kernel's words
        host.call(lambda: neighbours.ask("nowhere", [IPV4, IPV6], seconds=SECONDS))
    assert count() <= before
