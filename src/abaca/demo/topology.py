"""The demonstration's own small network: a storage host, and two tenants' machines.

Everything is a network namespace with a name that starts with
``abaca-demo-TAG``; nothing touches the addresses or ports of the real host.

    storage host   br-site   10.30.0.0/24   the site's network (single_svm)
                   br-flat1  10.10.0.0/24   flat network 1
                   br-flat2  10.20.0.0/24   flat network 2
                   br-under  172.30.0.0/24  carries VXLAN between hosts
                   br-vlan   Open vSwitch, carries VLANs
    alice, bob     one leg in each of these, and a VXLAN or VLAN of their own per
                   managed network; both use the same tenant addresses there
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import netns

from abaca.linux.command import run
from abaca.linux.netns import ensure_namespace, remove_namespace
from abaca.testing.ovs import Switch, open_vswitch

UNDERLAY_HOST = "172.30.0.1"
DIRECT_CIDR = "192.168.50.0/24"
ROUTED_CIDR = "192.168.60.0/24"
VLAN_CIDR = "192.168.70.0/24"
SERVICE_CIDR = "10.254.0.0/16"
BRIDGES = {"site": "10.30.0", "flat1": "10.10.0", "flat2": "10.20.0", "under": "172.30.0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A tenant's machine."""

    name: str
    netns: str
    number: int
    """Last byte of its addresses; distinguishes its VXLAN IDs as well."""

    @property
    def direct_vni(self) -> int:
        """Segment of its network that share servers join directly."""
        return 5000 + self.number

    @property
    def routed_vni(self) -> int:
        """Segment of its network that share servers are routed to."""
        return 6000 + self.number

    @property
    def vlan_id(self) -> int:
        """VLAN of its network that share servers join directly."""
        return self.number

    def address(self, network: str) -> str:
        """Its address on a bridged network, or on its own (``direct``, ``routed``, ``vlan``)."""
        own = {"direct": "192.168.50", "routed": "192.168.60", "vlan": "192.168.70"}
        return f"{own.get(network) or BRIDGES[network]}.{self.number}"

    def run(self, *argv: str, timeout: float = 30) -> str:
        """Run a program on the machine."""
        return run("nsenter", f"--net=/run/netns/{self.netns}", *argv, timeout=timeout)


class Topology:
    """Makes and removes the network."""

    def __init__(self, tag: str, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self.host = f"abaca-demo-{tag}-host"
        self.machines = {
            name: Machine(name=name, netns=f"abaca-demo-{tag}-{name}", number=number)
            for name, number in (("alice", 201), ("bob", 202))
        }

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace of this network."""
        return (self.host, *(machine.netns for machine in self.machines.values()))

    def on_host(self, *argv: str) -> str:
        """Run a program on the storage host."""
        return run("nsenter", f"--net=/run/netns/{self.host}", *argv)

    def build(self) -> None:
        """Make the storage host, the machines and the wires."""
        for name in self.namespaces:
            ensure_namespace(name)
        for network in BRIDGES:
            self._bridge(network)
        self.on_host("ip", "addr", "add", "10.30.0.1/24", "dev", "br-site")
        self.on_host("ip", "addr", "add", f"{UNDERLAY_HOST}/24", "dev", "br-under")
        for machine in self.machines.values():
            for network in BRIDGES:
                self._leg(machine, network)
            for network, vni in (("direct", machine.direct_vni), ("routed", machine.routed_vni)):
                self._vxlan(machine, network, vni)
        self._folder.mkdir()
        switch = self._running.enter_context(open_vswitch(self.host, self._folder))
        switch.add_bridge("br-vlan")
        for machine in self.machines.values():
            self._vlan(machine, switch)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is on the storage host within the block."""
        netns.pushns(self.host)
        try:
            yield
        finally:
            netns.popns()

    def remove(self) -> None:
        """Take it all away; links go with their namespaces."""
        self._running.close()
        for name in reversed(self.namespaces):
            remove_namespace(name)

    def _bridge(self, network: str) -> None:
        name = f"br-{network}"
        self.on_host("ip", "link", "add", name, "type", "bridge", "mcast_snooping", "0")
        self.on_host("ip", "link", "set", name, "addrgenmode", "none", "up")

    def _leg(self, machine: Machine, network: str) -> None:
        outer = self._cable(machine, network)
        self.on_host("ip", "link", "set", outer, "master", f"br-{network}")

    def _vlan(self, machine: Machine, switch: Switch) -> None:
        outer = self._cable(machine, "vlan")
        switch.vsctl("add-port", "br-vlan", outer, f"tag={machine.vlan_id}")
        # A switch in user space does not fill in the checksums that the kernel leaves out.
        self.on_host("ethtool", "-K", outer, "tx", "off")
        machine.run("ethtool", "-K", "vlan", "tx", "off")

    def _cable(self, machine: Machine, network: str) -> str:
        """A cable from the machine to the host; the name of the host's end."""
        outer = f"{machine.name}-{network}"
        self.on_host(
            *("ip", "link", "add", outer, "type", "veth"),
            *("peer", "name", network, "netns", machine.netns),
        )
        self.on_host("ip", "link", "set", outer, "addrgenmode", "none", "up")
        machine.run("ip", "addr", "add", f"{machine.address(network)}/24", "dev", network)
        machine.run("ip", "link", "set", network, "up")
        return outer

    def _vxlan(self, machine: Machine, network: str, vni: int) -> None:
        machine.run(
            *("ip", "link", "add", network, "type", "vxlan", "id", str(vni), "dstport", "4789"),
            *("local", machine.address("under"), "remote", UNDERLAY_HOST, "dev", "under"),
        )
        machine.run("ip", "addr", "add", f"{machine.address(network)}/24", "dev", network)
        machine.run("ip", "link", "set", network, "up")
