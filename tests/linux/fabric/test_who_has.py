"""Asking who has an address, on the wires of a host."""

from __future__ import annotations

import tempfile
from ipaddress import ip_address
from pathlib import Path

import pytest
from fabric_stage import Site, Stage, flat, vlan

from abaca.drivers.fabric import HostFabric
from abaca.errors import InvalidNetwork, LinuxError, NetworkUnavailable
from abaca.linux.links import IPAddress
from abaca.network.plugin import AsksNeighbours
from abaca.testing.netns import Machine, bridge

pytestmark = pytest.mark.dataplane

ASKED = [ip_address(text) for text in ("10.9.0.5", "10.9.0.6", "fd00:9::5", "fd00:9::6")]
USED = [ASKED[0], ASKED[2]]


def who_has(site: Site, wire: str | None) -> list[IPAddress]:
    """Those that somebody on the wire answers for, as a plugin asks."""
    asks = HostFabric(site.fabric)
    assert isinstance(asks, AsksNeighbours)
    found = site.host.call(lambda: asks.who_has(ASKED, wire=wire, seconds=1))
    assert len(set(found.values())) <= 1, "one machine has one MAC address"
    return sorted(found, key=lambda item: (item.version, int(item)))


def test_each_wire_is_asked_by_its_name(stage: Stage) -> None:
    """The network of share servers, that of administrators, and one that is nowhere."""
    site = stage.site(bridge_mappings={"flat": "br-flat", "admin": "br-admin"})
    for name in ("br-flat", "br-admin"):
        bridge(site.host, name)
    one = stage.machine()
    site.attach(one, flat(physical_network="admin"), "10.9.0.5/24", "fd00:9::5/64")
    before = site.world()
    assert who_has(site, None) == []
    assert who_has(site, "admin") == USED
    assert site.world() == before
    with pytest.raises(InvalidNetwork, match="add lab:BRIDGE to bridge_mappings"):
        who_has(site, "lab")
    site.host.run("ip", "link", "set", "br-flat", "down")
    with pytest.raises(NetworkUnavailable, match="ip link set br-flat up"):
        who_has(site, None)


def test_only_flat_wires_can_be_asked(stage: Stage) -> None:
    """Elsewhere there is no bridge of the administrator's: that is said, and nothing made."""
    site = stage.site(vxlan_local=ip_address("192.0.2.1"))
    with pytest.raises(LinuxError):
        site.host.call(lambda: site.fabric.who_has(vlan(5), ASKED, seconds=1))


def test_on_open_vswitch(stage: Stage) -> None:
    """The bridge's own interface asks, once it is up; the message says how."""
    host: Machine = stage.machine("host")
    with tempfile.TemporaryDirectory(prefix="qa-ovs-") as folder:
        switch = stage.switch(host, Path(folder))
        switch.add_bridge("br-ovs")
        site = stage.site(host, bridge_mappings={"flat": "br-ovs"}, ovs_db=str(switch.socket))
        one = stage.machine()
        site.attach(one, flat(), "10.9.0.5/24", "fd00:9::5/64")
        host.run("ip", "link", "set", "br-ovs", "down")
        with pytest.raises(NetworkUnavailable, match="ip link set br-ovs up"):
            who_has(site, None)
        host.run("ip", "link", "set", "br-ovs", "up")
        assert who_has(site, None) == USED
        stage.stack.close()
