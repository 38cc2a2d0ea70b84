"""The wires of this host for network plugins and drivers: options, and the plugins' `Fabric`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from oslo_config import cfg

from abaca.errors import InvalidNetwork, LinuxError, NetworkUnavailable
from abaca.linux.fabric import FabricOptions, Leg, LinuxFabric, Wire
from abaca.linux.links import IPAddress, IPInterface
from abaca.linux.switches import WireUnknown
from abaca.network.plugin import RouterLeg, Segment

OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.ListOpt(
        "bridge_mappings",
        default=[],
        help="Flat networks: `PHYSICAL_NETWORK:BRIDGE`, or `flat:BRIDGE` for a network without a "
        "name. The bridge (the kernel's, or Open vSwitch's) must exist.",
    ),
    cfg.ListOpt(
        "vlan_mappings",
        default=[],
        help="VLANs: `PHYSICAL_NETWORK:UPLINK`, or `vlan:UPLINK` for VLANs without a physical "
        "network. The uplink is an interface, where the kernel has VLAN links, or an Open vSwitch "
        "bridge.",
    ),
    cfg.StrOpt(
        "vxlan_local",
        help="VXLAN: the address of this host that its packets come from. Without it, no VXLAN.",
    ),
    cfg.StrOpt(
        "vxlan_device",
        help="VXLAN: the interface that packets leave by. Needed with vxlan_group.",
    ),
    cfg.StrOpt(
        "vxlan_group",
        help="VXLAN: multicast group that reaches all hosts, where the network carries multicast.",
    ),
    cfg.ListOpt(
        "vxlan_peers",
        default=[],
        help="VXLAN: addresses of the other hosts, where there is no multicast.",
    ),
    cfg.PortOpt("vxlan_port", default=4789, help="VXLAN: the UDP port."),
    cfg.StrOpt(
        "ovs_db",
        help="Socket of the Open vSwitch database. Default: /run/openvswitch/db.sock.",
    ),
)


def faults(section: str, values: Mapping[str, object]) -> list[str]:
    """What is wrong with these options in themselves, one line each (no I/O)."""
    found: list[str] = []
    for option in ("bridge_mappings", "vlan_mappings"):
        for text in _texts(values, option):
            name, _, target = text.partition(":")
            if not name.strip() or not target.strip():
                found.append(
                    f"[{section}] {option} = {text}: write PHYSICAL_NETWORK:NAME, "
                    f"such as {option} = physnet1:br-physnet1"
                )
    addresses = {
        option: _texts(values, option) for option in ("vxlan_local", "vxlan_group", "vxlan_peers")
    }
    versions = set()
    for option, texts in addresses.items():
        for text in texts:
            address = _address(text)
            if address is None:
                found.append(f"[{section}] {option} = {text}: this is no IP address")
                continue
            versions.add(address.version)
            if address.is_multicast != (option == "vxlan_group"):
                kind = "a multicast group" if option == "vxlan_group" else "a host's address"
                found.append(f"[{section}] {option} = {text}: write {kind}")
    if len(versions) > 1:
        found.append(f"[{section}] vxlan_*: all addresses must be of one IP version")
    found += _vxlan_faults(section, values, addresses)
    return found


def parse(values: Mapping[str, object], deployment: str) -> FabricOptions:
    """The options of a section without faults."""
    local, group = values.get("vxlan_local"), values.get("vxlan_group")
    return FabricOptions(
        deployment=deployment,
        bridge_mappings=_mapping(values, "bridge_mappings"),
        vlan_mappings=_mapping(values, "vlan_mappings"),
        vxlan_local=ip_address(str(local)) if local else None,
        vxlan_device=_text(values, "vxlan_device"),
        vxlan_group=ip_address(str(group)) if group else None,
        vxlan_peers=tuple(ip_address(text) for text in _texts(values, "vxlan_peers")),
        vxlan_port=int(str(values.get("vxlan_port") or 4789)),
        ovs_db=_text(values, "ovs_db"),
    )


def wire_of(segment: Segment) -> Wire:
    """The layer 2 part of a segment."""
    return Wire(
        network_type=str(segment.network_type),
        segmentation_id=segment.segmentation_id,
        physical_network=segment.physical_network,
        mtu=segment.mtu,
    )


@dataclass(frozen=True, slots=True)
class HostFabric:
    """`abaca.network.plugin.Fabric` on the wires of this host; raises NetworkError only."""

    wires: LinuxFabric

    def ensure_router(self, name: str, legs: Sequence[RouterLeg]) -> None:
        """A router of this name joins the legs; an address has the prefix of its subnet."""
        with _translated():
            self.wires.ensure_router(
                name,
                [
                    Leg(
                        wire=wire_of(leg.segment),
                        addresses=tuple(_in_subnet(leg.segment, item) for item in leg.addresses),
                    )
                    for leg in legs
                ],
            )

    def remove_router(self, name: str) -> None:
        """Take it away with its links; succeeds on unknown."""
        with _translated():
            self.wires.remove_router(name)

    def routers(self) -> list[str]:
        """Names of the routers that exist on this host."""
        with _translated():
            return self.wires.routers()

    def plug(
        self,
        segment: Segment,
        *,
        netns: str,
        interface: str,
        addresses: tuple[str, ...],
        gateway: str | None,
    ) -> None:
        """Put an interface with these ``address/prefix`` on the segment into a namespace."""
        with _translated():
            self.wires.attach(
                wire_of(segment),
                netns=netns,
                interface=interface,
                mac=None,
                addresses=tuple(ip_interface(text) for text in addresses),
                gateways=(ip_address(gateway),) if gateway else (),
            )

    def unplug(self, segment: Segment, *, netns: str, interface: str) -> None:
        """Take such an interface away again; succeeds on unknown."""
        with _translated():
            self.wires.detach(netns, interface, wire_of(segment))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except WireUnknown as failure:
        raise InvalidNetwork(failure.message) from failure
    except LinuxError as failure:
        raise NetworkUnavailable(failure.message) from failure


def _in_subnet(segment: Segment, address: IPAddress) -> IPInterface:
    for subnet in segment.subnets:
        if address.version == subnet.cidr.version and address in subnet.cidr:
            return ip_interface(f"{address}/{subnet.cidr.prefixlen}")
    raise InvalidNetwork(f"router address {address} is in no subnet of {wire_of(segment)}")


def _vxlan_faults(
    section: str, values: Mapping[str, object], addresses: Mapping[str, Sequence[str]]
) -> list[str]:
    found = []
    extra = [option for option in ("vxlan_group", "vxlan_peers") if addresses[option]]
    if extra and not addresses["vxlan_local"]:
        found.append(f"[{section}] {extra[0]} needs vxlan_local: write this host's own address")
    if addresses["vxlan_group"] and not values.get("vxlan_device"):
        found.append(f"[{section}] vxlan_group needs vxlan_device: write an interface")
    return found


def _address(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _mapping(values: Mapping[str, object], option: str) -> dict[str, str]:
    pairs = (text.partition(":") for text in _texts(values, option))
    return {name.strip(): target.strip() for name, _, target in pairs}


def _text(values: Mapping[str, object], option: str) -> str | None:
    value = values.get(option)
    return str(value) if value else None


def _texts(values: Mapping[str, object], option: str) -> list[str]:
    value = values.get(option)
    if not value:
        return []
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    return [str(item).strip() for item in items]
