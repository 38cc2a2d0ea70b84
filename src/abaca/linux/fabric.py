"""The wires of this host: interfaces of namespaces on them, and routers between them.

Everything made has a name derived from the deployment and its purpose, so a
repeated call finds it, completes what a killed process left half made, and
makes the difference where something else is wanted. Nothing is remembered
outside the kernel (and the Open vSwitch database).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from abaca.errors import LinuxError
from abaca.linux import devices, links, neighbours, netns
from abaca.linux.links import Cable, IPAddress, IPInterface, IPNetwork, Route
from abaca.linux.lock import locked
from abaca.linux.netlink import Netlink
from abaca.linux.ovs import DEFAULT_SOCKET, OpenVSwitch
from abaca.linux.source_routes import ensure_apart, ensure_source_routes
from abaca.linux.survey import Survey, port_alias, port_name
from abaca.linux.switches import Outlet, Switches, WireUnknown
from abaca.linux.wire import FabricOptions, Wire
from abaca.steps import step

__all__ = ["FabricOptions", "Leg", "LinuxFabric", "Wire"]

_ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
_turn = threading.Lock()
"""Threads of this process queue here, instead of polling the file lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One side of a router: the wire, and the router's addresses on it."""

    wire: Wire
    addresses: tuple[IPInterface, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interface:
    """What is wanted of one interface inside a namespace."""

    name: str
    mac: str
    mtu: int
    addresses: tuple[IPInterface, ...]
    routes: tuple[Route, ...]
    gateways: tuple[IPAddress, ...]
    ours: bool = True
    """The namespace is ours, with all that is in it."""
    apart: bool = False
    """Its network and routes are for packets from its own addresses alone."""
    forwards: bool = False


class LinuxFabric:
    """Attach namespaces to wires, and join wires by routers. Every call is idempotent.

    Raises LinuxError only. Made in the network namespace of this process,
    whichever that is.
    """

    def __init__(self, options: FabricOptions) -> None:
        self._options = options
        socket = (options.ovs_db or str(DEFAULT_SOCKET)).removeprefix("unix:")
        self._ovs = OpenVSwitch(socket=Path(socket), owner=options.deployment)
        self._switches = Switches(options, self._ovs)
        self._router_prefix = f"abaca-{options.deployment}-r-"

    def probe(self) -> list[str]:
        """What is missing on this host for the mappings, one line per fault with what to do."""
        try:
            self._switches.probe()
        except LinuxError as failure:
            return [failure.message]
        faults: list[str] = []
        for option, kind, mappings in self._mappings():
            for name, target in mappings.items():
                try:
                    self._switches.way(kind, target)
                except LinuxError as failure:
                    faults.append(f"{option} = {name}:{target}: {failure}")
        if self._options.vxlan_local is not None:
            faults += links.inside(None, "looking at the VXLAN options", self._vxlan_faults)
        return faults

    def ways(self) -> dict[str, str]:
        """How each mapping is served, by ``OPTION NAME:TARGET``; those with faults are left out."""
        found: dict[str, str] = {}
        for option, kind, mappings in self._mappings():
            for name, target in mappings.items():
                try:
                    found[f"{option} {name}:{target}"] = self._switches.way(kind, target)
                except LinuxError:
                    continue
        if self._options.vxlan_local is not None:
            found[f"vxlan_local {self._options.vxlan_local}"] = "kernel VXLAN link"
        return found

    def attach(
        self,
        wire: Wire,
        *,
        netns: str,
        interface: str,
        mac: str | None,
        addresses: tuple[IPInterface, ...],
        gateways: tuple[IPAddress, ...],
        routes: tuple[tuple[IPNetwork, IPAddress], ...] = (),
        ours: bool = True,
        apart: bool = False,
    ) -> None:
        """The namespace has this interface on the wire, with exactly these addresses and routes.

        The namespace must exist. ``mac`` None: one that is always the same for
        this interface. Without a gateway there is no default route. In a
        namespace that is not ``ours`` (a tenant's machine) nothing but this one
        interface is touched, and one of that name that we didn't make is refused. One that
        is ``apart`` is for packets from its own addresses: no route leads to it from others.
        """
        wanted = _Interface(
            name=interface,
            mac=mac or links.mac_for(0x02, self._options.deployment, netns, interface),
            mtu=wire.mtu,
            addresses=addresses,
            routes=_routes(gateways, routes),
            gateways=gateways,
            ours=ours,
            apart=apart,
        )
        self._attach(wire, netns, wanted)

    def detach(self, netns: str, interface: str, wire: Wire | None = None) -> None:
        """The namespace has no such interface of ours; succeeds on unknown, namespace or not.

        ``wire`` None: whichever it was on. What was made for the wire goes with
        its last interface.
        """
        with self._locked():
            self._unplug(netns, interface, wire)
            self._switches.sweep()

    def survey(self) -> Survey:
        """What is on the wires now, to be compared with what is needed."""
        owner = self._options.deployment
        return Survey(deployment=owner, switches=self._switches, ovs=self._ovs)

    def sweep(self) -> None:
        """What was made for wires that nobody is on any more is gone."""
        with self._locked():
            self._switches.sweep()

    def unplug_stray(self, port: str) -> bool:
        """The port is gone, if it is one of `Survey.strays` or `Survey.dead_ports`; else False."""
        with self._locked():
            survey = self.survey()
            if port in survey.dead_ports():
                self._ovs.remove_port(port)
                return True
            if port not in survey.strays():
                return False
            links.inside(None, f"unplugging {port}", lambda here: links.remove(here, port))
            return True

    def join_bridge(self, wire: Wire, bridge: str) -> None:
        """A cable leads from the wire into this bridge of a tenant's, in our namespace.

        Nothing else of the bridge is touched, and no address is set. It is on one wire
        at a time, and is none that a mapping names: that would join two networks.
        """
        with self._locked():
            outlet = self._switches.find(wire)
            self._check_bridge(outlet, bridge)
            self._lead_in(outlet)
            self._tie(outlet, bridge)

    @step("fabric.bridge.leave")
    def leave_bridge(self, wire: Wire, bridge: str) -> None:
        """No cable leads from the wire into the bridge; succeeds on unknown."""
        far = self._joint(wire, None, bridge).far
        with self._locked():
            if self._switches.mapped:
                self._ovs.remove_port(far)
            for place in (None, self._switches.namespace):
                if place is None or netns.exists(place):
                    links.remove_from(place, far, f"leaving {bridge}")
            self._switches.sweep()

    def who_has(
        self, wire: Wire, addresses: Collection[IPAddress], *, seconds: float
    ) -> dict[IPAddress, str]:
        """Who answers for these addresses on a wire of the administrator's, or is this host.

        Returns after ``seconds``, or when all are answered for. Changes nothing.
        """
        outlet = self._switches.find(wire)
        if outlet.namespace is not None:
            raise WireUnknown(f"{wire} is no bridge of this network namespace: nobody can be asked")

        def work(here: Netlink) -> dict[IPAddress, str]:
            if not links.needed(here, outlet.bridge).up:
                mend = f"ip link set {outlet.bridge} up"
                raise LinuxError(f"{outlet.bridge} is down, so nobody can be asked: {mend}")
            # The host does not hear itself on its own bridge.
            ours = {
                address: f"this host ({link.name})"
                for address in addresses
                if (link := links.carrier_of(here, address)) is not None
            }
            others = [item for item in addresses if item not in ours]
            return ours | neighbours.ask(outlet.bridge, others, seconds=seconds)

        return links.inside(None, f"asking on {outlet.bridge}", work)

    def ensure_router(self, name: str, legs: Sequence[Leg]) -> None:
        """A router of this name joins exactly these wires. It serves nothing itself."""
        space = self._router_prefix + name
        netns.ensure_namespace(space)
        wanted = {self._leg_interface(leg.wire): leg for leg in legs}
        for extra in self._interfaces_of(space) - set(wanted):
            self.detach(space, extra)
        for interface, leg in wanted.items():
            self._attach(
                leg.wire,
                space,
                _Interface(
                    name=interface,
                    mac=links.mac_for(0x02, self._options.deployment, space, interface),
                    mtu=leg.wire.mtu,
                    addresses=leg.addresses,
                    routes=(),
                    gateways=(),
                    forwards=True,
                ),
            )

    @step("fabric.router.remove")
    def remove_router(self, name: str) -> None:
        """The router is gone with its links; succeeds on unknown."""
        space = self._router_prefix + name
        if netns.exists(space):
            for interface in self._interfaces_of(space):
                self.detach(space, interface)
        netns.remove_namespace(space)
        with self._locked():
            self._switches.sweep()
            # Open vSwitch remembers ports over a reboot.
            for port in self.survey().dead_ports():
                self._ovs.remove_port(port)

    def routers(self) -> list[str]:
        """Names of the routers on this host."""
        prefix = self._router_prefix
        return [name.removeprefix(prefix) for name in netns.namespaces() if name.startswith(prefix)]

    def _attach(self, wire: Wire, space: str, wanted: _Interface) -> None:
        with self._locked():
            outlet = self._switches.find(wire)
            self._lead_in(outlet)
            new = self._plug(outlet, space, wanted)
        _dress(space, wanted, in_software=outlet.open_vswitch, new=new)

    @step("fabric.wire")
    def _lead_in(self, outlet: Outlet) -> None:
        self._switches.ensure(outlet)

    @step("fabric.plug")
    def _plug(self, outlet: Outlet, space: str, wanted: _Interface) -> bool:
        """True if the interface was made just now."""
        cable = self._cable(space, wanted)
        doing = f"plugging {space} into {outlet.wire}"
        alias = port_alias(self._options.deployment, space, wanted.name)

        def connect(here: Netlink) -> None:
            if whole:
                near = links.ensure_mtu(here, cable.near, cable.mtu)
            else:
                near = links.lay_cable(here, cable, replace=wanted.ours)
            if outlet.open_vswitch:
                links.ensure_alias(here, near, alias)
                links.mute(cable.near)
                links.set_up(here, cable.near, mac=cable.near_mac, mtu=cable.mtu, new=not whole)
                devices.checksum_in_software(cable.near)
            else:
                links.ensure_member(here, near, outlet.bridge, alias=alias)

        whole = links.exists_in(outlet.namespace, cable.near) and links.inside(
            outlet.namespace, doing, lambda here: links.cable_is_whole(here, cable)
        )
        if not whole:
            # Also from another wire, and Open vSwitch must let go of an old link of this name.
            self._take_out(space, wanted.name, None)
        links.inside(outlet.namespace, doing, connect)
        if outlet.open_vswitch:
            self._ovs.ensure_port(outlet.bridge, cable.near, outlet.tag)
        return not whole

    @step("fabric.unplug")
    def _unplug(self, space: str, interface: str, wire: Wire | None) -> None:
        self._take_out(space, interface, wire)

    def _take_out(self, space: str, interface: str, wire: Wire | None) -> None:
        near = self._port(space, interface)
        if self._switches.mapped and (wire is None or wire.network_type != "vxlan"):
            self._ovs.remove_port(near)
        for place in (None, self._switches.namespace):
            if place is None or netns.exists(place):
                links.remove_from(place, near, f"unplugging {space}")

    def _check_bridge(self, outlet: Outlet, bridge: str) -> None:
        """WireUnknown if the bridge is none, or somebody else's, or on another wire."""
        options = self._options
        if bridge in {*options.bridge_mappings.values(), *options.vlan_mappings.values()}:
            raise WireUnknown(f"{bridge} is a wire of this host, not the bridge of a tenant")
        cable = self._joint(outlet.wire, outlet.namespace, bridge)

        def look(here: Netlink) -> None:
            found = links.find(here, bridge)
            if found is None or found.kind != "bridge":
                raise WireUnknown(f"there is no bridge {bridge} in this network namespace")
            if links.find(here, cable.near) is None:
                return
            # One end of a cable goes with the other: this one leads somewhere.
            there = outlet.namespace is None or netns.exists(outlet.namespace)
            if not there or not links.cable_is_whole(here, cable):
                raise WireUnknown(f"{bridge} is joined with another network: leave that first")

        links.inside(None, f"looking at {bridge}", look)

    @step("fabric.bridge.join")
    def _tie(self, outlet: Outlet, bridge: str) -> None:
        cable = self._joint(outlet.wire, outlet.namespace, bridge)

        def connect(here: Netlink) -> None:
            if not links.cable_is_whole(here, cable):
                links.lay_cable(here, cable, replace=True)
            near = links.ensure_mtu(here, cable.near, cable.mtu)
            if outlet.open_vswitch:
                devices.checksum_in_software(cable.near)
            links.ensure_member(here, near, bridge)

        def plug(there: Netlink) -> None:
            far = links.ensure_mtu(there, cable.far, cable.mtu)
            if outlet.open_vswitch:
                links.mute(cable.far)
                links.set_up(there, cable.far, mac=cable.far_mac, mtu=cable.mtu)
                devices.checksum_in_software(cable.far)
            else:
                links.ensure_member(there, far, outlet.bridge)

        links.inside(None, f"joining {bridge} with {outlet.wire}", connect)
        links.inside(outlet.namespace, f"joining {bridge} with {outlet.wire}", plug)
        if outlet.open_vswitch:
            self._ovs.ensure_port(outlet.bridge, cable.far, outlet.tag)

    def _joint(self, wire: Wire, namespace: str | None, bridge: str) -> Cable:
        """From the bridge, where its name is the same on any wire, to where the wire comes out."""
        parts = (wire.network_type, wire.physical_network, wire.segmentation_id)
        names = (self._options.deployment, "bridge", bridge)
        return Cable(
            near=links.name_for("j", *names),
            near_mac=links.mac_for(0xFE, *names),
            namespace=namespace,
            far=links.name_for("p", *names, *parts),
            far_mac=links.mac_for(0xFE, *names, *parts),
            mtu=wire.mtu,
        )

    def _cable(self, space: str, wanted: _Interface) -> Cable:
        return Cable(
            near=self._port(space, wanted.name),
            # High, so that the administrator's bridge never takes it for its own.
            near_mac=links.mac_for(0xFE, self._options.deployment, space, wanted.name),
            namespace=space,
            far=wanted.name,
            far_mac=wanted.mac,
            mtu=wanted.mtu,
        )

    def _port(self, space: str, interface: str) -> str:
        return port_name(self._options.deployment, space, interface)

    def _leg_interface(self, wire: Wire) -> str:
        parts = (wire.network_type, wire.physical_network, wire.segmentation_id)
        return links.name_for("l", *parts)

    def _interfaces_of(self, space: str) -> set[str]:
        def work(there: Netlink) -> set[str]:
            return {link.name for link in links.links(there) if link.kind == "veth"}

        return links.inside(space, "listing interfaces", work)

    def _mappings(self) -> tuple[tuple[str, str, dict[str, str]], ...]:
        return (
            ("bridge_mappings", "flat", dict(self._options.bridge_mappings)),
            ("vlan_mappings", "vlan", dict(self._options.vlan_mappings)),
        )

    def _vxlan_faults(self, here: Netlink) -> list[str]:
        options, faults = self._options, []
        local = options.vxlan_local
        if local is not None and links.carrier_of(here, local) is None:
            faults.append(f"vxlan_local = {local}: this is no address of this network namespace")
        device = options.vxlan_device
        if device is not None and links.find(here, device) is None:
            faults.append(f"vxlan_device = {device}: there is no such interface")
        if options.vxlan_group is not None and device is None:
            faults.append("vxlan_group needs vxlan_device: write the interface that it leaves by")
        return faults

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time: bridges are shared, and go with their last port."""
        file = Path(f"/run/lock/abaca-fabric-{self._options.deployment}")
        with _turn, locked(file):
            try:
                yield
            finally:
                file.unlink(missing_ok=True)


@step("fabric.dress")
def _dress(space: str, wanted: _Interface, *, in_software: bool, new: bool) -> None:
    def work(there: Netlink) -> None:
        if wanted.ours:
            _settle(wanted)
        name, routed = wanted.name, not wanted.apart
        links.ensure_addresses(there, name, wanted.addresses, routed=routed, new=new)
        links.set_up(there, name, mac=wanted.mac, mtu=wanted.mtu, new=new)
        if wanted.apart:
            ensure_apart(there, name, wanted.addresses, wanted.routes)
        else:
            links.ensure_routes(there, name, wanted.routes, new=new)
            own = [address.ip for address in wanted.addresses]
            ensure_source_routes(there, name, own, wanted.gateways, new=new)
        if in_software:
            devices.checksum_in_software(name)

    links.inside(space, f"setting up {wanted.name}", work)


def _settle(wanted: _Interface) -> None:
    """Settings of the namespace and of the interface, before it comes up.

    A server never forwards, answers for an address only where it has it, and
    believes nobody's router advertisements. A router drops packets that come in
    where no answer would go out.
    """
    forwards = "1" if wanted.forwards else "0"
    links.setting("ipv4", "all", "forwarding", forwards)
    links.setting("ipv6", "all", "forwarding", forwards)
    links.setting("ipv4", "all", "rp_filter", "0")
    for key, value in {
        "rp_filter": "1" if wanted.forwards else "2",
        "forwarding": forwards,
        "arp_ignore": "1",
        "arp_announce": "2",
        "arp_notify": "1",
        "promote_secondaries": "1",
        "accept_redirects": "0",
        "send_redirects": "0",
    }.items():
        links.setting("ipv4", wanted.name, key, value)
    for key, value in {
        "accept_ra": "0",
        "accept_dad": "0",
        "dad_transmits": "0",
        "ndisc_notify": "1",
        "accept_redirects": "0",
        "forwarding": forwards,
    }.items():
        links.setting("ipv6", wanted.name, key, value)


def _routes(
    gateways: tuple[IPAddress, ...], routes: tuple[tuple[IPNetwork, IPAddress], ...]
) -> tuple[Route, ...]:
    default = (
        Route(destination=ip_network(_ANYWHERE[gateway.version]), gateway=gateway)
        for gateway in gateways
    )
    return (*default, *(Route(destination=to, gateway=by) for to, by in routes))
