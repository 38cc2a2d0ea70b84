"""Answers leave by the interface whose address was asked.

A share server may have interfaces on several networks, each with a gateway. A
default route in the main table can name only one of them. So each interface
with a gateway gets a routing table of its own, used for packets that have its
address as their source. Routes that are better than a default one (the networks
themselves, routes asked for) are still taken from the main table first.

An interface that is apart (on a network of administrators) is not in the main
table at all: packets from its addresses see its own table only, and no others do.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, ip_address

from abaca.errors import LinuxError
from abaca.linux import links
from abaca.linux.devices import index_of
from abaca.linux.links import IPAddress, IPInterface, Route
from abaca.linux.netlink import Netlink

_MAIN = 254
_PROTO_STATIC = 4
_FIRST_TABLE = 10000
_APART = 800
_MAIN_FIRST = 900
_BY_SOURCE = 1000
_HOST_BITS = {socket.AF_INET: 32, socket.AF_INET6: 128}


def ensure_source_routes(
    netlink: Netlink,
    name: str,
    addresses: Collection[IPAddress],
    gateways: Collection[IPAddress],
    *,
    new: bool = False,
) -> None:
    """Packets from these addresses leave by this interface, to the gateway of their IP version.

    Without a gateway there is no such rule. Where the kernel has no rules, the
    main table alone counts. ``new``: the interface was made just now.
    """
    if new and not gateways:
        return
    index = index_of(name)
    for family, version in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        gateway = next((item for item in gateways if item.version == version), None)
        sources = {item for item in addresses if item.version == version and gateway}
        if gateway is not None:
            if not _main_first(netlink, family):
                return
            _ensure_default(netlink, family, index, gateway)
        _ensure_rules(netlink, family, _FIRST_TABLE + index, sources)


def ensure_apart(
    netlink: Netlink, name: str, addresses: Collection[IPInterface], routes: Collection[Route]
) -> None:
    """Packets from these addresses, and no others, leave by this interface and its routes."""
    table = _FIRST_TABLE + index_of(name)
    own = {Route(destination=item.network, gateway=None) for item in addresses}
    links.ensure_routes(netlink, name, own | set(routes), table)
    for family, version in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        sources = {item.ip for item in addresses if item.version == version}
        if sources and not _main_first(netlink, family):
            raise LinuxError(
                "this kernel has no rules for routes by source (CONFIG_IP_MULTIPLE_TABLES and "
                "CONFIG_IPV6_MULTIPLE_TABLES), which a network of administrators needs"
            )
        _ensure_rules(netlink, family, table, sources, _APART)


def _main_first(netlink: Netlink, family: int) -> bool:
    """Everything but default routes comes from the main table; False without rules at all."""
    rules = netlink.get_rules(family=family, priority=_MAIN_FIRST)
    if any(rule.get("FRA_PRIORITY") == _MAIN_FIRST for rule in rules):
        return True
    return links.accepted(
        lambda: netlink.rule(
            "add", family=family, table=_MAIN, priority=_MAIN_FIRST, FRA_SUPPRESS_PREFIXLEN=0
        )
    )


def _ensure_default(netlink: Netlink, family: int, index: int, gateway: IPAddress) -> None:
    netlink.route(
        "replace",
        family=family,
        dst="0.0.0.0/0" if isinstance(gateway, IPv4Address) else "::/0",
        gateway=str(gateway),
        oif=index,
        table=_FIRST_TABLE + index,
        proto=_PROTO_STATIC,
        flags=["onlink"],
    )


def _ensure_rules(
    netlink: Netlink,
    family: int,
    table: int,
    sources: set[IPAddress],
    priority: int = _BY_SOURCE,
) -> None:
    have = {
        ip_address(rule.get("FRA_SRC"))
        for rule in netlink.get_rules(family=family)
        if rule.get("FRA_PRIORITY") == priority and rule.get("FRA_TABLE") == table
    }
    for verb, difference in (("del", have - sources), ("add", sources - have)):
        for source in difference:
            netlink.rule(
                verb,
                family=family,
                table=table,
                priority=priority,
                src=str(source),
                src_len=_HOST_BITS[socket.AddressFamily(family)],
            )
