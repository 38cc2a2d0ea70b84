"""Links by the oldest of interfaces, in the network namespace of the calling thread.

A netlink library takes longer to set up than any of this takes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
from pathlib import Path

from abaca.errors import LinuxError

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCGIFINDEX = 0x8933
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 0x03
_ETHTOOL_STXCSUM = 0x17
_IFF_UP = 1
_DRIVER_INFO = struct.Struct("I32s160x")
"""``struct ethtool_drvinfo``: the command, the driver's name, what is not asked for."""


def exists(name: str) -> bool:
    """True if there is a link of this name here; without a descriptor."""
    try:
        Path(f"/proc/sys/net/ipv4/conf/{name}").stat()
    except FileNotFoundError:
        return False
    return True


def index_of(name: str) -> int:
    """The index of the link of this name here; LinuxError if there is none."""
    # Asked first: for an unknown name some kernels look for a module.
    if exists(name):
        told = _control(_SIOCGIFINDEX, struct.pack("16sI20x", name.encode(), 0))
        return int(struct.unpack_from("I", told, 16)[0])
    raise LinuxError(f"there is no link {name}")


def is_bridge(name: str) -> bool:
    """True if there is a link of this name here, and it is a bridge of the kernel's."""
    if not exists(name):
        return False
    told = ctypes.create_string_buffer(_DRIVER_INFO.pack(_ETHTOOL_GDRVINFO, b""))
    try:
        _control(_SIOCETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(told)))
    except OSError as failure:
        # It went meanwhile, or has nothing to tell: a bridge has.
        if failure.errno in {errno.ENODEV, errno.EOPNOTSUPP}:
            return False
        raise
    return bool(_DRIVER_INFO.unpack_from(told)[1].rstrip(b"\0") == b"bridge")


def bring_up(name: str) -> None:
    """The link is up."""
    told = _control(_SIOCGIFFLAGS, struct.pack("16sh14x", name.encode(), 0))
    (flags,) = struct.unpack_from("h", told, 16)
    if not flags & _IFF_UP:
        _control(_SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags | _IFF_UP))


def checksum_in_software(name: str) -> None:
    """Switch transmit checksum offload off (a switch in user space would see empty checksums)."""
    wanted = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0))
    _control(_SIOCETHTOOL, struct.pack("16sP16x", name.encode(), ctypes.addressof(wanted)))


def _control(request: int, argument: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        return fcntl.ioctl(control, request, argument)
