"""What is written for NFS-Ganesha to read."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abaca.errors import LinuxError
from abaca.linux.ganesha import (
    Client,
    Export,
    GaneshaOptions,
    Unspeakable,
    render,
    render_export,
    spelled,
)


def export(*clients: Client, path: str = "/run/x", pseudo: str = "/shares/x") -> Export:
    """An export with these clients."""
    return Export(id=7, path=Path(path), pseudo=pseudo, clients=clients)


def networks(text: str) -> list[str]:
    """The clients of an export in the order in which they decide."""
    return re.findall(r"Clients = ([^;]*);", text)


def test_without_clients_nobody_is_let_in() -> None:
    """An export without clients grants nothing by default, and has no client block."""
    text = render_export(export(), (4,))
    assert "Access_Type = None;" in text
    assert networks(text) == []


@given(st.permutations(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0"]))
def test_longest_prefix_comes_first(order: list[str]) -> None:
    """In whatever order rules come, the most specific is first, since the first one decides."""
    clients = [Client(network=ip_network(item), writes=True) for item in order]
    found = networks(render_export(export(*clients), (4,)))
    assert found == ["10.1.2.3/32", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/1, 128.0.0.0/1"]


def test_contradiction_gives_less() -> None:
    """Of a read-only and a read-write rule for the same network, the read-only one decides."""
    network = ip_network("192.0.2.0/24")
    both = (Client(network=network, writes=True), Client(network=network, writes=False))
    text = render_export(export(*both), (4,))
    assert text.index("Access_Type = RO") < text.index("Access_Type = RW")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("192.0.2.7/32", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/1, 128.0.0.0/1"),
        ("::/0", "::/1, 8000::/1"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("2001:db8::/99", "2001:db8::/99"),
        ("2001:db8::7/128", "2001:db8::7"),
        ("2001:db8::6/127", "2001:db8::6, 2001:db8::7"),
    ],
)
def test_networks_as_the_scanner_reads_them(network: str, words: str) -> None:
    """Prefixes that the scanner does not know are written in others that mean the same."""
    assert spelled(ip_network(network)) == words


def test_network_without_words_is_refused() -> None:
    """An IPv6 network that can't be expressed is an error that says what to write instead."""
    with pytest.raises(Unspeakable, match="/119"):
        spelled(ip_network("2001:db8::/112"))


@pytest.mark.parametrize("bad", ['/run/"x', "/run/x\ny"])
def test_path_can_not_leave_its_quotes(bad: str) -> None:
    """A path that would end its string is refused, not written."""
    with pytest.raises(LinuxError):
        render_export(export(path=bad), (4,))


def test_whole_configuration() -> None:
    """The file has the versions, the address, no helper protocol, and every export."""
    options = GaneshaOptions(versions=(3, 4), bind=None)
    text = render(options, Path("/srv/r"), [export()])
    assert "Protocols = 3, 4;" in text
    assert "Bind_addr" not in text
    assert "Enable_NLM = false" in text
    assert "Export_Id = 7;" in text
