"""What a server's namespace lets in: NFS, ICMP, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from abaca.linux.lock import run_holding

_RULES = """table inet abaca
delete table inet abaca
table inet abaca {{
    chain input {{
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        tcp dport {{ {ports} }} accept
        icmp type {{ {icmp} }} accept
        icmpv6 type {{ {icmp6} }} accept
        meta l4proto tcp reject with tcp reset
        reject
    }}
    chain forward {{
        type filter hook forward priority 0; policy drop;
    }}
}}
"""
_ICMP = "echo-request, destination-unreachable, time-exceeded, parameter-problem"
_ICMP6 = f"{_ICMP}, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query"


def ensure_firewall(netns: str, ports: Sequence[int]) -> None:
    """Admit these TCP ports of the namespace, and what IP itself needs; one transaction.

    The rest is refused rather than dropped, so that a mistaken client fails at
    once. Connections that the server would begin get no answer: it begins none.
    """
    admitted = ", ".join(str(port) for port in ports)
    rules = _RULES.format(ports=admitted, icmp=_ICMP, icmp6=_ICMP6)
    run_holding("nsenter", f"--net=/run/netns/{netns}", "nft", "-f", "-", stdin=rules.encode())
