"""Where a wire comes out on this host, and the bridges that we make for wires of our own.

A flat wire comes out at the administrator's bridge, a VLAN on Open vSwitch at a
port with its tag. For a VXLAN, or a VLAN by kernel link, we make a bridge, in a
namespace where nothing else is: it has no address, so there is no host that a
tenant could reach through it, and no firewall of the host in between. The VXLAN
or VLAN link works on the host's namespace and is moved there when it is made.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from abaca.errors import LinuxError
from abaca.linux import devices, links, netns
from abaca.linux.links import Link
from abaca.linux.netlink import Netlink
from abaca.linux.ovs import OpenVSwitch
from abaca.linux.wire import FabricOptions, Wire

_VXLAN_OVERHEAD = {4: 50, 6: 70}
_PATIENCE = 20.0
"""A busy host takes seconds to take a namespace apart."""
_PAUSE = 0.02
_MAX_VNI = (1 << 24) - 1
_MAX_VLAN = 4094


class WireUnknown(LinuxError):
    """The options of this host, or the host itself, have no such wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where ports of a wire are plugged: a bridge in a namespace (None: ours)."""

    wire: Wire
    bridge: str
    namespace: str | None = None
    open_vswitch: bool = False
    tag: int | None = None


class Switches:
    """The outlets of one deployment. The caller holds the fabric's lock."""

    def __init__(self, options: FabricOptions, ovs: OpenVSwitch) -> None:
        self._options = options
        self._ovs = ovs
        self._kinds: dict[str, bool] = {}
        self.namespace = f"abaca-{options.deployment}-switch"

    @property
    def mapped(self) -> bool:
        """True if wires come out at bridges or interfaces of an administrator's."""
        return bool(self._options.bridge_mappings or self._options.vlan_mappings)

    @property
    def mapped_bridges(self) -> frozenset[str]:
        """The administrator's bridges, as far as flat wires come out there."""
        return frozenset(self._options.bridge_mappings.values())

    def find(self, wire: Wire) -> Outlet:
        """Where the wire comes out; WireUnknown says what to make or to write."""
        match wire.network_type:
            case "flat":
                return self._flat(wire)
            case "vlan":
                return self._vlan(wire)
            case "vxlan":
                return self._vxlan(wire)
        raise WireUnknown(f"this host can't attach to {wire}: it knows flat, vlan and vxlan")

    def ensure(self, outlet: Outlet) -> None:
        """The bridge is there, and the wire comes in."""
        if outlet.namespace is None:
            return
        netns.ensure_namespace(outlet.namespace)
        uplink, options = self._uplink(outlet.wire)

        def prepare(there: Netlink) -> bool:
            bridge = links.ensure_bridge(there, outlet.bridge)
            found = devices.exists(uplink)
            for member in _uplinks(there, bridge):
                if member.name != uplink:
                    links.remove(there, member.name)
            return found

        def connect(there: Netlink) -> None:
            if not (devices.exists(uplink) and devices.exists(outlet.bridge)):
                raise LinuxError(f"{outlet.wire} was removed while it was made")
            link = links.ensure_mtu(there, uplink, outlet.wire.mtu)
            links.ensure_member(there, link, outlet.bridge)
            if link.kind == "vxlan":
                links.ensure_floods_to(there, uplink, self._flood_targets())

        if not links.inside(outlet.namespace, f"making the bridge of {outlet.wire}", prepare):
            links.inside(
                None,
                f"making the link of {outlet.wire}",
                lambda here: self._make_uplink(here, uplink, outlet.wire, options),
            )
        links.inside(outlet.namespace, f"connecting {outlet.wire}", connect)

    def uplink(self, outlet: Outlet) -> str | None:
        """The link that brings the wire in, where we make it."""
        return None if outlet.namespace is None else self._uplink(outlet.wire)[0]

    def sweep(self) -> None:
        """Bridges of ours without a port are gone, and the namespace with the last one."""
        if not netns.exists(self.namespace):
            return

        def work(there: Netlink) -> bool:
            everything = links.links(there)
            used = {link.master for link in everything if link.kind == "veth"}
            for link in everything:
                if link.kind in {"vxlan", "vlan"} and link.master not in used:
                    links.remove(there, link.name)
            for link in everything:
                if link.kind == "bridge" and link.index not in used:
                    links.remove(there, link.name)
            return bool(used)

        if not links.inside(self.namespace, "removing unused bridges", work):
            netns.remove_namespace(self.namespace)

    def probe(self) -> None:
        """Raises LinuxError if this process, or this kernel, can't make the links needed."""
        try:
            self._kernel_has("veth")
        except LinuxError as failure:
            raise LinuxError(
                f"this process can't make network namespaces and links ({failure.message}): "
                "run it as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN"
            ) from failure
        needed = ["veth", "bridge", *(["vxlan"] if self._options.vxlan_local else [])]
        missing = [kind for kind in needed if not self._kernel_has(kind)]
        if missing:
            raise WireUnknown(f"the kernel lacks links of type {', '.join(missing)}")

    def way(self, kind: str, target: str) -> str:
        """How a mapping is served ("kernel bridge", ...); WireUnknown if it can't be."""
        if kind == "flat":
            return (
                "kernel bridge" if self._is_kernel_bridge(target) else self._ovs_way(kind, target)
            )
        if self._ovs.has_bridge(target):
            return "Open vSwitch"
        if _link_here(target) is None:
            raise WireUnknown(
                f"there is no interface or Open vSwitch bridge {target} in this network "
                f"namespace: make it (ovs-vsctl add-br {target}), or name the right uplink"
            )
        if not self._kernel_has("vlan"):
            raise WireUnknown(
                f"this kernel has no VLAN links, so {target} can't carry VLANs: install "
                f"openvswitch-switch, make a bridge (ovs-vsctl add-br BRIDGE; ovs-vsctl add-port "
                f"BRIDGE {target}) and name the bridge instead of {target}"
            )
        return "kernel VLAN link"

    def _flat(self, wire: Wire) -> Outlet:
        name = wire.physical_network or "flat"
        bridge = self._options.bridge_mappings.get(name)
        if bridge is None:
            raise WireUnknown(f"no bridge for {wire}: add {name}:BRIDGE to bridge_mappings")
        return Outlet(
            wire=wire, bridge=bridge, open_vswitch=self.way("flat", bridge) != "kernel bridge"
        )

    def _vlan(self, wire: Wire) -> Outlet:
        tag = _number(wire, 1, _MAX_VLAN)
        name = wire.physical_network or "vlan"
        target = self._options.vlan_mappings.get(name)
        if target is None:
            raise WireUnknown(f"no uplink for {wire}: add {name}:UPLINK to vlan_mappings")
        if self.way("vlan", target) == "Open vSwitch":
            return Outlet(wire=wire, bridge=target, open_vswitch=True, tag=tag)
        return self._own(wire)

    def _vxlan(self, wire: Wire) -> Outlet:
        _number(wire, 1, _MAX_VNI)
        if self._options.vxlan_local is None:
            raise WireUnknown(f"{wire} needs vxlan_local: write the address of this host for VXLAN")
        return self._own(wire)

    def _own(self, wire: Wire) -> Outlet:
        parts = (wire.network_type, wire.physical_network, wire.segmentation_id)
        name = links.name_for("b", self._options.deployment, *parts)
        return Outlet(wire=wire, bridge=name, namespace=self.namespace)

    def _uplink(self, wire: Wire) -> tuple[str, dict[str, Any]]:
        """Name and netlink options of the link that brings the wire in.

        The name tells the options, so that a link of an older configuration is replaced.
        """
        o = self._options
        options: dict[str, Any]
        if wire.network_type == "vlan":
            target = o.vlan_mappings[wire.physical_network or "vlan"]
            options = {"kind": "vlan", "vlan_id": wire.segmentation_id, "under": target}
        else:
            suffix = "6" if isinstance(o.vxlan_local, IPv6Address) else ""
            options = {
                "kind": "vxlan",
                "vxlan_id": wire.segmentation_id,
                "vxlan_port": o.vxlan_port,
                "vxlan_learning": 1,
                f"vxlan_local{suffix}": str(o.vxlan_local),
                "under": o.vxlan_device,
            }
            if o.vxlan_group is not None:
                options[f"vxlan_group{suffix}"] = str(o.vxlan_group)
        return links.name_for("x", o.deployment, *sorted(options.items())), options

    def _make_uplink(self, here: Netlink, name: str, wire: Wire, options: dict[str, Any]) -> None:
        made = {key: value for key, value in options.items() if key != "under"}
        if options["under"] is not None:
            under = links.find(here, options["under"])
            if under is None:
                raise WireUnknown(f"{wire}: there is no interface {options['under']}")
            made["link" if made["kind"] == "vlan" else "vxlan_link"] = under.index
        if made["kind"] == "vxlan":
            self._check_mtu(here, wire)
        # A link like it may live on for a moment in a namespace that is being removed.
        deadline = time.monotonic() + _PATIENCE
        while not links.accepted(
            lambda: links.add_link_into(here, self.namespace, name, **made),
            refusals=frozenset({errno.EEXIST}),
        ):
            if time.monotonic() > deadline:
                raise WireUnknown(f"{wire}: another link of this host has this number already")
            time.sleep(_PAUSE)

    def _check_mtu(self, here: Netlink, wire: Wire) -> None:
        """Refuse a wire that would lose its largest packets in silence."""
        local = self._options.vxlan_local
        if local is None:
            return
        carrier = links.carrier_of(here, local)
        if carrier is None:
            raise WireUnknown(f"{wire}: vxlan_local = {local} is no address of this host")
        room = carrier.mtu - _VXLAN_OVERHEAD[local.version]
        if carrier.name != "lo" and wire.mtu > room:
            raise WireUnknown(
                f"{wire} has MTU {wire.mtu}, but {carrier.name} carries {room} inside VXLAN: "
                f"set the network's mtu to {room}, or the MTU of {carrier.name} to "
                f"{wire.mtu + _VXLAN_OVERHEAD[local.version]}"
            )

    def _flood_targets(self) -> tuple[links.IPAddress, ...]:
        group = self._options.vxlan_group
        return (*self._options.vxlan_peers, *((group,) if group is not None else ()))

    def _is_kernel_bridge(self, name: str) -> bool:
        try:
            return devices.is_bridge(name)
        except OSError as failure:
            raise LinuxError(f"looking for {name}: {failure}") from failure

    def _ovs_way(self, kind: str, target: str) -> str:
        if self._ovs.has_bridge(target):
            return "Open vSwitch"
        raise WireUnknown(
            f"there is no bridge {target} in this network namespace ({kind}): make it, for example "
            f"ip link add {target} type bridge; ip link set {target} up; and put the uplink in it"
        )

    def _kernel_has(self, kind: str) -> bool:
        """Tried once, in a namespace without a name that is gone afterwards."""
        if kind not in self._kinds:
            try:
                self._kinds[kind] = netns.call_in_new(lambda: _try_link(kind))
            except (NetlinkError, OSError) as failure:
                raise LinuxError(f"trying links of type {kind}: {failure}") from failure
        return self._kinds[kind]


def _try_link(kind: str) -> bool:
    """True if the kernel makes a link of this kind in the calling thread's namespace."""
    with Netlink() as netlink:
        options: dict[str, Any] = {"kind": kind}
        if kind == "veth":
            options["peer"] = {"ifname": "peer"}
        if kind == "vxlan":
            options |= {"vxlan_id": 1, "vxlan_port": 4789}
        if kind == "vlan":
            netlink.link("add", ifname="under", kind="veth", peer={"ifname": "peer"})
            options |= {"vlan_id": 1, "link": links.needed(netlink, "under").index}
        return links.accepted(lambda: netlink.link("add", ifname="tried", **options))


def _link_here(name: str) -> Link | None:
    return links.inside(None, f"looking for {name}", lambda here: links.find(here, name))


def _uplinks(there: Netlink, bridge: Link) -> Iterator[Link]:
    for link in links.links(there):
        if link.master == bridge.index and link.kind in {"vxlan", "vlan"}:
            yield link


def _number(wire: Wire, low: int, high: int) -> int:
    number = wire.segmentation_id
    if number is None or not low <= number <= high:
        raise WireUnknown(f"{wire} needs a segmentation ID from {low} to {high}, not {number}")
    return number
