"""What is on the wires of this host, against what is needed there. Changes nothing.

Nothing is locked: what is just being plugged or unplugged shows up too, and
whoever asks looks twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from abaca.linux import links, netns
from abaca.linux.links import Link
from abaca.linux.ovs import OpenVSwitch
from abaca.linux.switches import Outlet, Switches, WireUnknown
from abaca.linux.wire import Wire

_OURS = re.compile(r"ab[a-z][0-9a-f]{10}")
"""Names of `abaca.linux.links.name_for`."""
_WORDS = 4
"""Of `port_alias`."""


def port_name(deployment: str, space: str, interface: str) -> str:
    """The end of an interface's cable that is on the wire."""
    return links.name_for("p", deployment, space, interface)


def port_alias(deployment: str, space: str, interface: str) -> str:
    """What that end says of itself: names alone do not tell whose a port is."""
    return f"abaca {deployment} {space} {interface}"


def full_name(space: str | None, link: str) -> str:
    """``NAMESPACE:LINK``; in our own namespace the link alone."""
    return link if space is None else f"{space}:{link}"


@dataclass(kw_only=True)
class Survey:
    """One look: every namespace is asked once."""

    deployment: str
    switches: Switches
    ovs: OpenVSwitch
    _seen: dict[str | None, dict[str, Link]] = field(default_factory=dict)
    _outlets: dict[Wire, Outlet | None] = field(default_factory=dict)
    _needed: set[str] = field(default_factory=set)

    def lacking(self, space: str, interface: str, wire: Wire) -> Iterator[str]:
        """Links that the interface needs, and that are not there, not up, or not joined."""
        outlet = self._outlet(wire)
        if outlet is None:
            yield str(wire)
            return
        self._needed.add(outlet.bridge)
        here, bridge = self._links(outlet.namespace), None
        if not outlet.open_vswitch:
            bridge = here.get(outlet.bridge)
            if bridge is None:
                yield full_name(outlet.namespace, outlet.bridge)
        uplink = self.switches.uplink(outlet)
        if uplink is not None:
            self._needed.add(uplink)
            if not _is_port(here.get(uplink), bridge):
                yield full_name(outlet.namespace, uplink)
        name = port_name(self.deployment, space, interface)
        near, far = here.get(name), self._links(space).get(interface)
        if far is None or not far.up:
            yield full_name(space, interface)
        elif (
            near is None
            or (near.peer, far.peer) != (far.index, near.index)
            or not (near.up if outlet.open_vswitch else _is_port(near, bridge))
        ):
            yield full_name(outlet.namespace, name)

    def beyond(self, space: str, wanted: Collection[str]) -> list[str]:
        """Interfaces of ours in the namespace, besides those that are wanted."""
        return [
            link.name
            for link in self._links(space).values()
            if link.kind == "veth" and _OURS.fullmatch(link.name) and link.name not in wanted
        ]

    def unused(self) -> list[str]:
        """Full names of bridges of ours that nobody is on, and of what leads to them.

        `Switches.sweep` removes them. Those that what was asked for lacks are not among them.
        """
        here = self._links(self.switches.namespace).values()
        used = {link.master for link in here if link.kind == "veth"}
        return sorted(
            full_name(self.switches.namespace, link.name)
            for link in here
            if link.name not in self._needed
            and (
                (link.kind in {"vxlan", "vlan"} and link.master not in used)
                or (link.kind == "bridge" and link.index not in used)
            )
        )

    def strays(self) -> list[str]:
        """Ports on bridges of administrators that were plugged in for a namespace of ours.

        It is not there any more, or has another interface by now. Ports that do not say whose
        they are, and those of tenants' machines, are not among them.
        """
        here = self._links(None)
        bridges = {here[name].index for name in self.switches.mapped_bridges if name in here}
        return sorted(
            link.name for link in here.values() if link.master in bridges and self._is_stray(link)
        )

    def _is_stray(self, port: Link) -> bool:
        said = port.alias.split(" ")
        if port.kind != "veth" or not _OURS.fullmatch(port.name) or len(said) != _WORDS:
            return False
        owner, deployment, space, interface = said
        if (owner, deployment) != ("abaca", self.deployment):
            return False
        if not space.startswith(f"abaca-{self.deployment}-"):
            return False
        far = self._links(space).get(interface)
        return far is None or (port.peer, far.peer) != (far.index, port.index)

    def dead_ports(self) -> list[str]:
        """Ports of ours that Open vSwitch remembers, and whose links have gone."""
        ports = self.ovs.ports() if self.switches.mapped else []
        # A port has a link before and after: listed later, it is there.
        there = links.inside(None, "listing links", links.links) if ports else []
        return sorted(set(ports) - {link.name for link in there})

    def _outlet(self, wire: Wire) -> Outlet | None:
        if wire not in self._outlets:
            try:
                self._outlets[wire] = self.switches.find(wire)
            except WireUnknown:
                self._outlets[wire] = None
        return self._outlets[wire]

    def _links(self, space: str | None) -> dict[str, Link]:
        if space not in self._seen:
            there = space is None or netns.exists(space)
            found = links.inside(space, "listing links", links.links) if there else []
            self._seen[space] = {link.name: link for link in found}
        return self._seen[space]


def _is_port(link: Link | None, bridge: Link | None) -> bool:
    return link is not None and bridge is not None and link.up and link.master == bridge.index
