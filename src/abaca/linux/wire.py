"""What the fabric works on: wires, and how an administrator's network is mapped to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One layer 2 network: a flat one, a VLAN, or a VXLAN."""

    network_type: str
    segmentation_id: int | None
    physical_network: str | None
    mtu: int

    def __str__(self) -> str:
        where = f" on {self.physical_network}" if self.physical_network else ""
        number = f" {self.segmentation_id}" if self.segmentation_id is not None else ""
        return f"{self.network_type}{number}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricOptions:
    """How wires reach this host."""

    deployment: str
    """Eight hexadecimal digits in the names of all that is made."""
    bridge_mappings: Mapping[str, str] = field(default_factory=dict)
    """Physical network (or ``flat``) -> existing bridge, the kernel's or Open vSwitch's."""
    vlan_mappings: Mapping[str, str] = field(default_factory=dict)
    """Physical network -> uplink interface, or Open vSwitch bridge."""
    vxlan_local: IPAddress | None = None
    """The address of this host that VXLAN packets come from."""
    vxlan_device: str | None = None
    """The interface that they leave by; needed with ``vxlan_group``."""
    vxlan_group: IPAddress | None = None
    """Multicast group for what must reach all hosts."""
    vxlan_peers: tuple[IPAddress, ...] = ()
    """The other hosts, where there is no multicast."""
    vxlan_port: int = 4789
    ovs_db: str | None = None
    """Socket of the Open vSwitch database; None: the packaged one, if it is there."""
