"""A stage for the fabric: throw-away hosts with a fabric each, machines on their wires."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from abaca.linux.fabric import FabricOptions, Leg, LinuxFabric, Wire
from abaca.testing.netns import Machine, machine
from abaca.testing.ovs import Switch, open_vswitch
from abaca.testing.world import World, snapshot


def flat(mtu: int = 1500, physical_network: str | None = None) -> Wire:
    """A flat wire."""
    return Wire(
        network_type="flat", segmentation_id=None, physical_network=physical_network, mtu=mtu
    )


def vlan(tag: int, mtu: int = 1500) -> Wire:
    """A VLAN of physnet1."""
    return Wire(network_type="vlan", segmentation_id=tag, physical_network="physnet1", mtu=mtu)


def vxlan(vni: int, mtu: int = 1450) -> Wire:
    """A VXLAN."""
    return Wire(network_type="vxlan", segmentation_id=vni, physical_network=None, mtu=mtu)


@dataclass(frozen=True)
class Site:
    """The fabric of one host; every call is made inside that host's namespace."""

    host: Machine
    fabric: LinuxFabric
    deployment: str

    def attach(
        self,
        target: Machine,
        wire: Wire,
        *addresses: str,
        interface: str = "eth0",
        gateways: tuple[str, ...] = (),
        routes: tuple[tuple[str, str], ...] = (),
        mac: str | None = None,
    ) -> None:
        """Attach a machine."""
        self.host.call(
            lambda: self.fabric.attach(
                wire,
                netns=target.name,
                interface=interface,
                mac=mac,
                addresses=tuple(ip_interface(text) for text in addresses),
                gateways=tuple(ip_address(text) for text in gateways),
                routes=tuple((ip_network(to), ip_address(by)) for to, by in routes),
            )
        )

    def detach(self, target: Machine, interface: str = "eth0", wire: Wire | None = None) -> None:
        """Detach a machine."""
        self.host.call(lambda: self.fabric.detach(target.name, interface, wire))

    def router(self, name: str, *legs: tuple[Wire, tuple[str, ...]]) -> None:
        """Make or change a router."""
        wanted = [
            Leg(wire=wire, addresses=tuple(ip_interface(text) for text in addresses))
            for wire, addresses in legs
        ]
        self.host.call(lambda: self.fabric.ensure_router(name, wanted))

    def remove_router(self, name: str) -> None:
        """Remove a router."""
        self.host.call(lambda: self.fabric.remove_router(name))

    def world(self) -> World:
        """What exists now: links of this host, namespaces of the deployment."""
        return self.host.call(lambda: snapshot([self.deployment]))


@dataclass
class Stage:
    """Makes hosts and machines; all are removed with it."""

    stack: ExitStack
    deployments: list[str] = field(default_factory=list)

    def machine(self, purpose: str = "machine") -> Machine:
        """A machine of a tenant, or a share server's namespace."""
        return self.stack.enter_context(machine(purpose))

    def site(self, host: Machine | None = None, **options: Any) -> Site:
        """A host with a fabric of a deployment of its own."""
        deployment = uuid.uuid4().hex[:8]
        self.deployments.append(deployment)
        chosen = FabricOptions(deployment=deployment, **options)
        return Site(host or self.machine("host"), LinuxFabric(chosen), deployment)

    def switch(self, host: Machine, folder: Path) -> Switch:
        """An Open vSwitch on a host."""
        return self.stack.enter_context(open_vswitch(host.name, folder))
