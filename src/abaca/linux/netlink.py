"""Netlink in the network namespace of the calling thread: pyroute2, opened as far as it is needed.

Each of its sockets comes with an event loop, which takes longer to make than most
requests take. A request that is only acknowledged needs no more than a message.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Self

from pyroute2 import IPRoute
from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_ERROR
from pyroute2.netlink.exceptions import NetlinkDecodeError, NetlinkError
from pyroute2.netlink.rtnl import RTM_NEWADDR, RTM_NEWLINK
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

Attributes = Mapping[str, object]
"""By the kernel's names; those inside others, and the list of them, as mappings too."""

_ANSWER = struct.Struct("IHHIIi")
"""``struct nlmsghdr`` and, of an acknowledgement, the error: 0, or less than that."""
_LARGEST = 1 << 16
_IFF_UP = 1


class Netlink:
    """Every method of `pyroute2.IPRoute`, and those of the most frequent requests by themselves.

    Raises NetlinkError, NetlinkDecodeError, OSError.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._route: Any = None
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._route is not None:
            self._route.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - pyroute2 has no types
        if self._route is None:
            self._route = IPRoute()
        return getattr(self._route, name)

    def new_link(self, attributes: Attributes) -> None:
        """There is a link that was none before."""
        self._tell(ifinfmsg(), {}, attributes, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)

    def set_link(self, index: int, attributes: Attributes, *, up: bool) -> None:
        """The link has these attributes, and is brought up if ``up``."""
        fields = {"index": index, "flags": _IFF_UP if up else 0, "change": _IFF_UP if up else 0}
        self._tell(ifinfmsg(), fields, attributes, RTM_NEWLINK)

    def new_address(self, fields: Mapping[str, int], attributes: Attributes) -> None:
        """The link has an address that it had not before."""
        self._tell(ifaddrmsg(), fields, attributes, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)

    def _tell(
        self,
        message: Any,  # noqa: ANN401 - pyroute2 has no types
        fields: Mapping[str, int],
        attributes: Attributes,
        command: int,
        flags: int = 0,
    ) -> None:
        """Send the request and wait for the kernel's word; NetlinkError if it refuses."""
        if self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._sequence += 1
        header = {"type": command, "flags": NLM_F_REQUEST | NLM_F_ACK | flags, "pid": 0}
        message["header"].update(header, sequence_number=self._sequence)
        message.update(fields)
        message["attrs"] = _listed(attributes)
        message.encode()
        self._socket.send(message.data)
        while True:
            answer = self._socket.recv(_LARGEST)
            if len(answer) < _ANSWER.size:
                raise NetlinkDecodeError(ValueError(f"an answer of {len(answer)} bytes"))
            _, kind, _, sequence, _, error = _ANSWER.unpack_from(answer)
            if kind == NLMSG_ERROR and sequence == self._sequence:
                break
        if error:
            raise NetlinkError(-error, os.strerror(-error))


def _listed(attributes: Attributes) -> list[list[object]]:
    """As pyroute2 wants them."""
    return [
        [name, {"attrs": _listed(value)} if isinstance(value, Mapping) else value]
        for name, value in attributes.items()
    ]
