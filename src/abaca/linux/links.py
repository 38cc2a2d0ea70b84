"""Links, addresses and routes by netlink, in the network namespace of the calling thread.

`inside` brings a piece of work into a namespace; everything else here works
where it is called. What exists is compared with what is wanted, and only the
difference is made.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from pathlib import Path
from typing import Any, TypeVar

from pyroute2.netlink.exceptions import NetlinkDecodeError, NetlinkError

from abaca.errors import LinuxError
from abaca.linux import netns
from abaca.linux.devices import bring_up, exists, index_of
from abaca.linux.netlink import Netlink

T = TypeVar("T")
IPAddress = IPv4Address | IPv6Address
IPInterface = IPv4Interface | IPv6Interface
IPNetwork = IPv4Network | IPv6Network

_NODAD = 0x02
_NOPREFIXROUTE = 0x200
_SCOPE_LINK = 253
_PROTO_STATIC = 4
_TABLE_MAIN = 254
_PERMANENT = 0x80
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV, errno.EAFNOSUPPORT})
_ABSENT = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network device, as the kernel tells it."""

    name: str
    index: int
    kind: str | None
    peer: int | None
    """The index of the link at the other end, or underneath; None also if it was not asked for."""
    master: int | None
    mac: str
    mtu: int
    up: bool
    alias: str = ""
    """What whoever made it says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route through one interface; ``gateway`` None means that the destination is on the link."""

    destination: IPNetwork
    gateway: IPAddress | None


def name_for(letter: str, *parts: object) -> str:
    """A link name that is always the same for the same parts (13 characters)."""
    return f"ab{letter}{_digest(*parts)[:10]}"


def mac_for(first_octet: int, *parts: object) -> str:
    """A locally administered MAC address that is always the same for the same parts."""
    digits = f"{first_octet:02x}{_digest(*parts)[:10]}"
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def inside(namespace: str | None, doing: str, work: Callable[[Netlink], T]) -> T:
    """Do the work with netlink inside the namespace (None: ours); failures become LinuxError."""

    def call() -> T:
        with Netlink() as netlink:
            return work(netlink)

    try:
        return netns.call_inside(namespace, call)
    except (NetlinkError, NetlinkDecodeError, OSError) as failure:
        place = f" in network namespace {namespace}" if namespace else ""
        raise LinuxError(f"{doing}{place}: {failure}") from failure


def exists_in(namespace: str | None, name: str) -> bool:
    """True if the namespace (None: ours) has such a link; LinuxError if there is no namespace."""
    try:
        return netns.call_inside(namespace, lambda: exists(name))
    except OSError as failure:
        raise LinuxError(f"looking for {name}: {failure}") from failure


def find(netlink: Netlink, name: str) -> Link | None:
    """The link of this name, if there is one."""
    if not exists(name):
        return None
    try:
        (message,) = netlink.link("get", ifname=name)
    except NetlinkError as failure:
        if failure.code == errno.ENODEV:
            return None
        raise
    return _link(message)


def needed(netlink: Netlink, name: str) -> Link:
    """The link of this name; LinuxError if there is none."""
    link = find(netlink, name)
    if link is None:
        raise LinuxError(f"there is no link {name}")
    return link


def links(netlink: Netlink) -> list[Link]:
    """All links."""
    return [_link(message) for message in netlink.get_links()]


def remove(netlink: Netlink, name: str) -> None:
    """The link is gone, with its other end; succeeds on unknown."""
    if exists(name):
        with _absent_is_fine():
            netlink.link("del", ifname=name)


def remove_from(namespace: str | None, name: str, doing: str) -> None:
    """`remove` inside the namespace (None: ours), which is there."""
    if exists_in(namespace, name):
        inside(namespace, doing, lambda there: remove(there, name))


def ensure_bridge(netlink: Netlink, name: str) -> Link:
    """A bridge that has no address, and that learns and floods and does nothing else."""
    bridge = find(netlink, name)
    if bridge is None:
        netlink.link("add", ifname=name, kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        bridge = needed(netlink, name)
    mute(name)
    if not bridge.up:
        netlink.link("set", index=bridge.index, state="up")
    return bridge


def ensure_member(netlink: Netlink, link: Link, bridge: str, *, alias: str | None = None) -> None:
    """The link is a port of the bridge, mute and up, and says that of itself."""
    master = index_of(bridge)
    mute(link.name)
    changes: dict[str, object] = {}
    if alias is not None and link.alias != alias:
        changes["IFLA_IFALIAS"] = alias
    if link.master != master:
        changes["IFLA_MASTER"] = master
    if changes or not link.up:
        netlink.set_link(link.index, changes, up=True)


def ensure_alias(netlink: Netlink, link: Link, alias: str) -> None:
    """The link says that of itself, to whoever lists links."""
    if link.alias != alias:
        netlink.link("set", index=link.index, ifalias=alias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """A veth pair from here (``near``) into a namespace (``far``)."""

    near: str
    near_mac: str
    namespace: str | None
    """None: ours, and then "here" is ours too."""
    far: str
    far_mac: str
    mtu: int


def cable_is_whole(netlink: Netlink, cable: Cable) -> bool:
    """True if the near end is here, and its other end is the far one."""
    near = find(netlink, cable.near)
    if near is None or near.kind != "veth":
        return False
    far = inside(cable.namespace, f"looking at {cable.far}", lambda there: find(there, cable.far))
    return far is not None and (near.peer, far.peer) == (far.index, near.index)


def lay_cable(netlink: Netlink, cable: Cable, *, replace: bool) -> Link:
    """Make the pair, in place of whatever has the name of the near end, which is returned.

    Both ends are down.

    Something that has the name of the far end is replaced too, or else refused.
    """
    remove(netlink, cable.near)
    # Asked for only where the kernel refuses: a new namespace has no such interface.
    if not accepted(lambda: _make_pair(netlink, cable), refusals=frozenset({errno.EEXIST})):
        if replace:
            remove_from(cable.namespace, cable.far, f"clearing {cable.far}")
        elif exists_in(cable.namespace, cable.far):
            raise LinuxError(
                f"{cable.namespace} has an interface {cable.far} already: choose another name"
            )
        _make_pair(netlink, cable)
    return Link(
        name=cable.near,
        index=index_of(cable.near),
        kind="veth",
        peer=None,
        master=None,
        mac=cable.near_mac,
        mtu=cable.mtu,
        up=False,
    )


def _make_pair(netlink: Netlink, cable: Cable) -> None:
    here = Path("/proc/thread-self/ns/net")
    place = here if cable.namespace is None else netns.path(cable.namespace)
    with _opened(place) as descriptor:
        # Made with its far end in place: there is no half-moved pair to find after a crash.
        peer = {
            "IFLA_IFNAME": cable.far,
            "IFLA_NET_NS_FD": descriptor,
            "IFLA_ADDRESS": cable.far_mac,
            "IFLA_MTU": cable.mtu,
        }
        veth = {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": {"VETH_INFO_PEER": peer}}
        netlink.new_link(
            {
                "IFLA_IFNAME": cable.near,
                "IFLA_ADDRESS": cable.near_mac,
                "IFLA_MTU": cable.mtu,
                "IFLA_LINKINFO": veth,
            }
        )


def add_link_into(netlink: Netlink, namespace: str, name: str, **options: object) -> None:
    """Make a link inside a namespace that works on a device or socket of this one (VXLAN, VLAN)."""
    with _opened(netns.path(namespace)) as descriptor:
        netlink.link("add", ifname=name, net_ns_fd=descriptor, **options)


def accepted(request: Callable[[], object], *, refusals: Collection[int] = _UNSUPPORTED) -> bool:
    """False if the kernel refuses the request for one of these reasons (that it can't do it)."""
    try:
        request()
    except NetlinkError as failure:
        if failure.code in refusals:
            return False
        raise
    return True


def carrier_of(netlink: Netlink, address: IPAddress) -> Link | None:
    """The link that has this address, if it is ours."""
    by_index = {link.index: link for link in links(netlink)}
    for index, link in by_index.items():
        if any(have.ip == address for have in _addresses(netlink, index)):
            return link
    return None


def ensure_mtu(netlink: Netlink, name: str, mtu: int) -> Link:
    """The link has this MTU; what it was like before."""
    link = needed(netlink, name)
    if link.mtu != mtu:
        netlink.link("set", index=link.index, mtu=mtu)
    return link


def ensure_floods_to(netlink: Netlink, name: str, peers: Collection[IPAddress]) -> None:
    """A VXLAN link sends what it has to flood to exactly these hosts."""
    index = index_of(name)
    zero = "00:00:00:00:00:00"
    have = {
        ip_address(message.get("NDA_DST"))
        for message in netlink.fdb("dump", ifindex=index)
        if message["ifindex"] == index
        and message.get("NDA_LLADDR") == zero
        and message.get("NDA_DST") is not None
    }
    for peer in have - set(peers):
        netlink.fdb("del", ifindex=index, lladdr=zero, dst=str(peer))
    for peer in set(peers) - have:
        netlink.fdb("append", ifindex=index, lladdr=zero, dst=str(peer), state=_PERMANENT)


def ensure_addresses(
    netlink: Netlink,
    name: str,
    wanted: Collection[IPInterface],
    *,
    routed: bool = True,
    new: bool = False,
) -> None:
    """The interface has exactly these addresses, besides its link-local one; usable at once.

    ``routed`` False: no route to their networks comes with them. ``new``: it has none yet.
    """
    index = index_of(name)
    six = any(isinstance(address, IPv6Interface) for address in wanted)
    setting("ipv6", name, "disable_ipv6", "0" if six else "1")
    have = set() if new else _addresses(netlink, index)
    if leaving := have - set(wanted):
        for address in leaving:
            with _absent_is_fine():
                netlink.addr("del", **_address(address, index))
        # The kernel may have taken secondary addresses away with their primary one.
        have = _addresses(netlink, index)
    for address in set(wanted) - have:
        flags = 0 if routed else _NOPREFIXROUTE
        told: dict[str, object] = {"IFA_LOCAL": str(address.ip), "IFA_ADDRESS": str(address.ip)}
        if isinstance(address, IPv6Interface):
            flags |= _NODAD
        else:
            told["IFA_BROADCAST"] = str(address.network.broadcast_address)
        netlink.new_address(
            {
                "family": _family(address.network),
                "prefixlen": address.network.prefixlen,
                "index": index,
            },
            told | {"IFA_FLAGS": flags},
        )


def ensure_routes(
    netlink: Netlink,
    name: str,
    wanted: Collection[Route],
    table: int = _TABLE_MAIN,
    *,
    new: bool = False,
) -> None:
    """Exactly these static routes of the table lead through the interface, which is up.

    ``new``: none does yet.
    """
    index = index_of(name)
    have = set() if new else _routes(netlink, index, table)
    for route in have - set(wanted):
        with _absent_is_fine():
            netlink.route("del", **_spelled(route, index, table))
    for route in set(wanted) - have:
        netlink.route("replace", **_spelled(route, index, table))


def set_up(netlink: Netlink, name: str, *, mac: str, mtu: int, new: bool = False) -> None:
    """The interface has this MAC address and MTU, and is up.

    ``new``: it was made just now, with both.
    """
    if new:
        bring_up(name)
        return
    link = ensure_mtu(netlink, name, mtu)
    if link.mac != mac:
        netlink.link("set", index=link.index, address=mac)
    if not link.up:
        netlink.link("set", index=link.index, state="up")


def mute(name: str) -> None:
    """The host answers nothing that comes in by this link of ours.

    No IPv6 at all, no ARP answers, and, since no route leads out by it, the
    source check of ``rp_filter`` drops every IPv4 packet for the host's stack.
    """
    setting("ipv6", name, "disable_ipv6", "1")
    setting("ipv6", name, "addr_gen_mode", "1")
    setting("ipv4", name, "arp_ignore", "8")
    setting("ipv4", name, "rp_filter", "1")


def setting(family: str, interface: str, key: str, value: str) -> None:
    """Write ``net.FAMILY.conf.INTERFACE.KEY`` if it differs; nothing where the kernel lacks it."""
    file = f"/proc/sys/net/{family}/conf/{interface}/{key}"
    with suppress(FileNotFoundError):
        # Where all of /proc/sys is read-only, what is right already can still be read.
        with _opened(file) as descriptor:
            told = os.read(descriptor, 64)
        if told.strip() != value.encode():
            with _opened(file, os.O_WRONLY) as descriptor:
                os.write(descriptor, value.encode())


def _link(message: Any) -> Link:  # noqa: ANN401
    info = message.get("IFLA_LINKINFO")
    return Link(
        name=message.get("IFLA_IFNAME"),
        index=message["index"],
        kind=info.get("IFLA_INFO_KIND") if info is not None else None,
        peer=message.get("IFLA_LINK"),
        master=message.get("IFLA_MASTER"),
        mac=message.get("IFLA_ADDRESS") or "",
        mtu=message.get("IFLA_MTU"),
        up=bool(message["flags"] & 1),
        alias=message.get("IFLA_IFALIAS") or "",
    )


def _addresses(netlink: Netlink, index: int) -> set[IPInterface]:
    return {
        ip_interface(
            f"{message.get('IFA_LOCAL') or message.get('IFA_ADDRESS')}/{message['prefixlen']}"
        )
        for message in netlink.addr("dump", index=index)
        if message["index"] == index and message["scope"] != _SCOPE_LINK
    }


def _address(address: IPInterface, index: int) -> dict[str, object]:
    return {
        "index": index,
        "address": str(address.ip),
        "prefixlen": address.network.prefixlen,
    }


def _routes(netlink: Netlink, index: int, table: int) -> set[Route]:
    found = set()
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104
        for message in netlink.route("dump", family=family, oif=index, table=table):
            if message.get("RTA_OIF") != index or message["proto"] != _PROTO_STATIC:
                continue
            if message.get("RTA_TABLE") != table:
                continue
            gateway = message.get("RTA_GATEWAY")
            found.add(
                Route(
                    destination=ip_network(
                        f"{message.get('RTA_DST') or anywhere}/{message['dst_len']}"
                    ),
                    gateway=ip_address(gateway) if gateway else None,
                )
            )
    return found


def _spelled(route: Route, index: int, table: int) -> dict[str, object]:
    """A route in netlink's words; each interface has a metric of its own for its default route."""
    spelled: dict[str, object] = {
        "dst": str(route.destination),
        "oif": index,
        "table": table,
        "proto": _PROTO_STATIC,
        "family": _family(route.destination),
        "priority": 1000 + index,
    }
    if route.gateway is not None:
        # A gateway outside the interface's own networks is allowed, as clouds do.
        spelled |= {"gateway": str(route.gateway), "flags": ["onlink"]}
    return spelled


def _family(network: IPNetwork) -> int:
    return socket.AF_INET if isinstance(network, IPv4Network) else socket.AF_INET6


@contextmanager
def _opened(file: Path | str, mode: int = os.O_RDONLY) -> Iterator[int]:
    descriptor = os.open(file, mode | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except NetlinkError as failure:
        if failure.code not in _ABSENT:
            raise


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()
