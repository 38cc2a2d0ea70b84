"""Who on a link has an address: asked by ARP (RFC 5227) and neighbour discovery (RFC 4862).

The questions name no sender address, so nobody's neighbour cache changes by them, and
no address is needed on the link. Whoever has the address answers, or defends it; who is
just about to take it and asks the same question counts as having it.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack, suppress
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address

ROUNDS = 3
"""A question may be lost: so often each is put."""
_ARP, _IPV6 = 0x0806, 0x86DD
_ETHERNET = 14
_BROADCAST = b"\xff" * 6
_ARP_IPV4 = struct.pack(">HHBB", 1, 0x0800, 6, 4)
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_HOP_LIMIT = 255
_BUFFER = 1 << 20
_LATE_SECONDS = 1.0


def ask(
    interface: str, addresses: Collection[IPAddress], *, seconds: float
) -> dict[IPAddress, str]:
    """MAC addresses of those who answer for the addresses on an interface that is up.

    Returns after ``seconds``, or as soon as all are answered for. Asks in the network
    namespace of the calling thread. OSError if the interface is absent or down, or without
    CAP_NET_RAW.
    """
    wanted = set(addresses)
    versions = {item.version for item in wanted}
    found: dict[IPAddress, str] = {}
    with ExitStack() as stack:
        sockets = {
            version: stack.enter_context(_opened(interface, kind))
            for version, kind in ((4, _ARP), (6, _IPV6))
            if version in versions
        }
        for _ in range(ROUNDS):
            for address in sorted(wanted - found.keys(), key=int):
                via = sockets[address.version]
                via.send(question(address, _mac(via)))
            _listen(sockets.values(), wanted, found, seconds / ROUNDS)
    return found


def question(address: IPAddress, mac: bytes) -> bytes:
    """The Ethernet frame that asks who has the address, from the interface with this MAC."""
    target = address.packed
    if isinstance(address, IPv4Address):
        body = _ARP_IPV4 + struct.pack(">H", 1) + mac + bytes(4) + bytes(6) + target
        return _BROADCAST + mac + struct.pack(">H", _ARP) + body
    group = IPv6Address("ff02::1:ff00:0").packed[:13] + target[13:]
    message = struct.pack(">BBHI", _SOLICITATION, 0, 0, 0) + target
    pseudo = bytes(16) + group + struct.pack(">II", len(message), _ICMPV6)
    message = message[:2] + struct.pack(">H", _checksum(pseudo + message)) + message[4:]
    header = struct.pack(">IHBB", 6 << 28, len(message), _ICMPV6, _HOP_LIMIT)
    frame = b"\x33\x33" + group[12:] + mac + struct.pack(">H", _IPV6)
    return frame + header + bytes(16) + group + message


def answer(frame: bytes, own: bytes) -> tuple[IPAddress, bytes] | None:
    """Which address a frame shows to be somebody's, and his MAC; None if it shows nothing.

    ``own`` is the MAC address of the interface that asks.
    """
    sender, kind = frame[6:12], frame[12:14]
    if sender == own:
        return None
    body = frame[_ETHERNET:]
    if kind == struct.pack(">H", _ARP):
        return _of_arp(body, own)
    if kind == struct.pack(">H", _IPV6):
        found = _of_discovery(body)
        return None if found is None else (found, sender)
    return None


def _of_arp(body: bytes, own: bytes) -> tuple[IPAddress, bytes] | None:
    if len(body) < 28 or not body.startswith(_ARP_IPV4) or body[8:14] == own:  # noqa: PLR2004
        return None
    source, target = body[14:18], body[24:28]
    # Without a source it is somebody else's probe for the target.
    shown = source if any(source) else target
    return IPv4Address(shown), body[8:14]


def _of_discovery(body: bytes) -> IPAddress | None:
    if len(body) < 64 or body[6] != _ICMPV6 or body[7] != _HOP_LIMIT:  # noqa: PLR2004
        return None
    kind, source, target = body[40], body[8:24], body[48:64]
    if kind == _ADVERTISEMENT or (kind == _SOLICITATION and not any(source)):
        return IPv6Address(target)
    return None


def _opened(interface: str, kind: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.setblocking(False)
        # Bound last: until then it receives nothing, from no other interface either.
        made.bind((interface, kind))
    except BaseException:
        made.close()
        raise
    return made


def _mac(via: socket.socket) -> bytes:
    mac: bytes = via.getsockname()[4]
    return mac


def _listen(
    sockets: Iterable[socket.socket],
    wanted: Collection[IPAddress],
    found: dict[IPAddress, str],
    seconds: float,
) -> None:
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for item in sockets:
            selector.register(item, selectors.EVENT_READ)
        while len(found) < len(wanted):
            left = deadline - time.monotonic()
            ready = selector.select(max(0.0, left))
            # What has come by the end counts, however late we look: but not for ever.
            if not ready or left < -_LATE_SECONDS:
                return
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - registered above
                seen = _heard(key.fileobj)
                if seen is not None and seen[0] in wanted:
                    found.setdefault(seen[0], seen[1].hex(":"))


def _heard(via: socket.socket) -> tuple[IPAddress, bytes] | None:
    with suppress(BlockingIOError):
        frame, sender = via.recvfrom(1 << 16)
        # What is for others may be of another VLAN on this link.
        if sender[2] not in {socket.PACKET_OTHERHOST, socket.PACKET_OUTGOING}:
            return answer(frame, _mac(via))
    return None


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
