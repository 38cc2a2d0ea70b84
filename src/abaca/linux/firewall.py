"""What a server's namespace lets in: NFS, ICMP, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from abaca.linux.command import Running
from abaca.linux.lock import begun_holding
from abaca.linux.wire import IPAddress

_RULES = """table inet abaca
delete table inet abaca
table inet abaca {{
    chain input {{
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
{inward}        tcp dport {{ {ports} }} accept
        icmp type {{ {icmp} }} accept
        icmpv6 type {{ {icmp6} }} accept
        meta l4proto tcp reject with tcp reset
        reject
    }}
    chain forward {{
        type filter hook forward priority 0; policy drop;
    }}
    chain output {{
        type filter hook output priority 0; policy accept;
        oifname "lo" accept
{outward}    }}
}}
"""
_ICMP = "echo-request, destination-unreachable, time-exceeded, parameter-problem"
_ICMP6 = f"{_ICMP}, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """An interface with whose network the others have nothing to do."""

    name: str
    addresses: tuple[IPAddress, ...]
    others: tuple[IPAddress, ...]
    """The addresses of the other interfaces."""


def ensure_firewall(netns: str, ports: Sequence[int], apart: Sequence[Apart] = ()) -> None:
    """Admit these TCP ports of the namespace, and what IP itself needs; one transaction.

    The rest is refused rather than dropped, so that a mistaken client fails at
    once. Connections that the server would begin get no answer: it begins none.
    An interface that is ``apart`` has the only way to and from its addresses.
    """
    with begun_firewall(netns, ports, apart) as rules:
        rules.end()


def begun_firewall(
    netns: str, ports: Sequence[int], apart: Sequence[Apart] = ()
) -> AbstractContextManager[Running]:
    """As `ensure_firewall`, beside what is done in the block: in force after `Running.end`."""
    admitted = ", ".join(str(port) for port in ports)
    rules = _RULES.format(
        ports=admitted,
        icmp=_ICMP,
        icmp6=_ICMP6,
        inward="".join(_lines(apart, "iifname", "daddr")),
        outward="".join(_lines(apart, "oifname", "saddr")),
    )
    # Not libnftables in this process: where it gets no descriptor, or one above 1023, it ends us.
    return begun_holding("nft", "-f", "-", netns=netns, stdin=rules.encode())


def _lines(items: Sequence[Apart], interface: str, address: str) -> Iterator[str]:
    """Dropped: Linux itself would take a packet for any of its addresses on any interface."""
    for item in items:
        for sign, addresses in (("!= ", item.addresses), ("", item.others)):
            for family, version in (("ip", 4), ("ip6", 6)):
                found = ", ".join(str(one) for one in addresses if one.version == version)
                if found:
                    yield (
                        f'        {interface} {sign}"{item.name}" {family} {address} '
                        f"{{ {found} }} drop\n"
                    )
