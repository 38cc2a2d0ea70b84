"""Options that say which wires this host has."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from oslo_config import cfg

from abaca.drivers.driver import ADMIN_WIRE
from abaca.drivers.linux.values import number, text, texts
from abaca.linux.wire import FabricOptions
from abaca.network.plugin import NetworkType, Segment

OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.ListOpt(
        "bridge_mappings",
        default=[],
        help="Physical networks and the bridge that each is on, as NAME:BRIDGE. `flat:BRIDGE` is "
        "the wire of flat_multi_svm, and of segments of type flat without a physical network; "
        "`admin:BRIDGE` is that of admin_network_config_group.",
    ),
    cfg.ListOpt(
        "vlan_mappings",
        default=[],
        help="Physical networks with VLANs and the uplink of each, as NAME:INTERFACE, or "
        "NAME:BRIDGE with a bridge of Open vSwitch.",
    ),
    cfg.StrOpt(
        "vxlan_local",
        help="The address of this host that VXLAN packets come from. Without it, no segments of "
        "type vxlan.",
    ),
    cfg.StrOpt("vxlan_device", help="The interface by which multicast VXLAN packets leave."),
    cfg.StrOpt("vxlan_group", help="Multicast group of the VXLAN segments, where there is one."),
    cfg.ListOpt(
        "vxlan_peers",
        default=[],
        help="Addresses of the other hosts with VXLAN segments, where there is no multicast.",
    ),
    cfg.PortOpt("vxlan_port", default=4789, help="UDP port of VXLAN."),
    cfg.StrOpt(
        "ovs_db",
        help="Socket of the Open vSwitch database, such as unix:/run/openvswitch/db.sock; unset: "
        "the packaged one if it is there.",
    ),
)


def parse(values: Mapping[str, object], deployment: str) -> FabricOptions:
    """The options of a section without faults."""
    return FabricOptions(
        deployment=deployment,
        bridge_mappings=_pairs(texts(values, "bridge_mappings")),
        vlan_mappings=_pairs(texts(values, "vlan_mappings")),
        vxlan_local=_address(values, "vxlan_local"),
        vxlan_device=text(values, "vxlan_device"),
        vxlan_group=_address(values, "vxlan_group"),
        vxlan_peers=tuple(ip_address(item) for item in texts(values, "vxlan_peers")),
        vxlan_port=int(number(values, "vxlan_port", 4789)),
        ovs_db=text(values, "ovs_db"),
    )


def outlet(options: FabricOptions, segment: Segment) -> str | None:
    """Where a segment comes out on this host; None if no option says so."""
    name = segment.physical_network
    match segment.network_type:
        case NetworkType.FLAT:
            return options.bridge_mappings.get(name or "flat")
        case NetworkType.VLAN:
            uplink = options.vlan_mappings.get(name or "vlan")
            return uplink and f"{uplink} VLAN {segment.segmentation_id}"
    return segment.wire if options.vxlan_local is not None else None


def faults(section: str, values: Mapping[str, object]) -> list[str]:
    """What is wrong with these options, one line each."""
    found = []
    for name, example in (("bridge_mappings", "flat:br-flat"), ("vlan_mappings", "physnet1:eth1")):
        for item in texts(values, name):
            network, colon, target = item.partition(":")
            if not (network and colon and target):
                found.append(f"[{section}] {name}: {item} is no pair: write {name} = {example}")
    for name in ("vxlan_local", "vxlan_group", "vxlan_peers"):
        for item in texts(values, name):
            try:
                ip_address(item)
            except ValueError:
                found.append(f"[{section}] {name}: {item} is not an IP address")
    if text(values, "vxlan_group") and not text(values, "vxlan_device"):
        found.append(
            f"[{section}] vxlan_group needs vxlan_device: write the interface that packets to "
            "the group leave by"
        )
    return found


def admin_faults(section: str, values: Mapping[str, object]) -> list[str]:
    """What is wrong with them for an admin network, one line each."""
    if faults(section, values):
        return []
    pairs = _pairs(texts(values, "bridge_mappings"))
    bridge = pairs.pop(ADMIN_WIRE, None)
    if bridge is None:
        items = ", ".join([*(f"{name}:{target}" for name, target in pairs.items()), "admin:BRIDGE"])
        return [
            (
                f"[{section}] bridge_mappings has no wire for administrators: write "
                f"bridge_mappings = {items}, with the bridge that is on their network"
            )
        ]
    return [
        f"[{section}] bridge_mappings: {name} and {ADMIN_WIRE} are both on {bridge}: give "
        "administrators a bridge of their own"
        for name, target in pairs.items()
        if target == bridge
    ]


def _pairs(items: list[str]) -> dict[str, str]:
    return {item.partition(":")[0]: item.partition(":")[2] for item in items}


def _address(values: Mapping[str, object], name: str) -> IPv4Address | IPv6Address | None:
    item = text(values, name)
    return ip_address(item) if item else None
