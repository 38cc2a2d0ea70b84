"""A small NFSv4.0 client that can do what an honest one would not: use any file handle.

Source: RFC 7530 (protocol), RFC 7531 (XDR), RFC 5531 (RPC).
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from typing import Self

from abaca.linux import netns

OK = 0
NOENT = 2
ACCESS = 13
ROFS = 30
NOSPC = 28
DQUOT = 69
STALE = 70
EXPIRED = 10011
GRACE = 10013

_GETFH, _LOOKUP, _OPEN, _OPEN_CONFIRM, _PUTFH, _PUTROOTFH = 10, 15, 18, 20, 22, 24
_READ, _REMOVE, _SETCLIENTID, _SETCLIENTID_CONFIRM, _WRITE = 25, 28, 35, 36, 38
_ANYBODY = bytes(16)
"""The anonymous stateid: read or write without having opened."""


class NfsError(Exception):
    """The server answered with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"NFS4 status {status}")
        self.status = status


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fixed(self, size: int) -> bytes:
        self._at += size
        assert self._at <= len(self._data), "the answer ends too early"
        return self._data[self._at - size : self._at]

    def word(self) -> int:
        return int(struct.unpack(">I", self.fixed(4))[0])

    def opaque(self) -> bytes:
        size = self.word()
        return self.fixed(size + -size % 4)[:size]


def _word(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _opaque(data: bytes) -> bytes:
    return _word(len(data)) + data + bytes(-len(data) % 4)


@dataclass(frozen=True)
class OpenFile:
    """A file that was opened."""

    handle: bytes
    stateid: bytes


class Nfs4Client:
    """One connection from a network namespace to a server, as root."""

    def __init__(self, namespace: str, address: str, *, timeout: float = 60) -> None:
        self._socket = netns.call_inside(
            namespace, lambda: socket.create_connection((address, 2049), timeout=timeout)
        )
        self._xid = 1
        self._sequence = 0
        self._owner = os.urandom(8)
        self._client_id: bytes | None = None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def handle(self, path: str) -> bytes:
        """The file handle of a path below the root."""
        answer = self._compound(_word(_PUTROOTFH), *self._lookups(path), _word(_GETFH))
        return answer.opaque()

    def read(
        self, handle: bytes, *, stateid: bytes = _ANYBODY, offset: int = 0, count: int = 4096
    ) -> bytes:
        """Read whatever the handle stands for."""
        place = struct.pack(">Q", offset) + _word(count)
        answer = self._compound(self._putfh(handle), _word(_READ) + stateid + place)
        answer.word()
        return answer.opaque()

    def write(
        self, handle: bytes, data: bytes, *, offset: int = 0, stateid: bytes = _ANYBODY
    ) -> int:
        """Write with FILE_SYNC; how many bytes were written."""
        place = struct.pack(">Q", offset) + _word(2)
        answer = self._compound(
            self._putfh(handle), _word(_WRITE) + stateid + place + _opaque(data)
        )
        return answer.word()

    def open(self, folder: str, name: str, *, create: bool = False, write: bool = True) -> OpenFile:
        """Open a file in a directory."""
        if self._client_id is None:
            self._client_id = self._introduce()
        how = _word(1, 0) + _word(0) + _opaque(b"") if create else _word(0)
        arguments = (
            _word(_OPEN, self._next(), 3 if write else 1, 0)
            + self._client_id
            + _opaque(self._owner)
            + how
            + _word(0)
            + _opaque(name.encode())
        )
        answer = self._compound(
            _word(_PUTROOTFH), *self._lookups(folder), arguments, _word(_GETFH), keep=_OPEN
        )
        stateid = answer.fixed(16)
        answer.fixed(4 + 16)
        flags = answer.word()
        answer.fixed(4 * answer.word())
        assert answer.word() == 0, "a delegation was not asked for"
        assert (answer.word(), answer.word()) == (_GETFH, OK)
        handle = answer.opaque()
        if flags & 2:
            confirm = _word(_OPEN_CONFIRM) + stateid + _word(self._next())
            stateid = self._compound(self._putfh(handle), confirm).fixed(16)
        return OpenFile(handle, stateid)

    def _introduce(self) -> bytes:
        call = (
            _word(_SETCLIENTID) + os.urandom(8) + _opaque(b"abaca test " + self._owner)
            + _word(0x40000000) + _opaque(b"tcp") + _opaque(b"0.0.0.0.0.0") + _word(1)
        )  # fmt: skip
        answer = self._compound(call)
        client_id, verifier = answer.fixed(8), answer.fixed(8)
        self._compound(_word(_SETCLIENTID_CONFIRM) + client_id + verifier)
        return client_id

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    @staticmethod
    def _lookups(path: str) -> list[bytes]:
        return [_word(_LOOKUP) + _opaque(part.encode()) for part in path.split("/") if part]

    @staticmethod
    def _putfh(handle: bytes) -> bytes:
        return _word(_PUTFH) + _opaque(handle)

    def _compound(self, *operations: bytes, keep: int | None = None) -> _Reader:
        """Run the operations; the result of the last (or of number ``keep``) and what follows."""
        answer = self._call(_opaque(b"") + _word(0, len(operations)) + b"".join(operations))
        status = answer.word()
        answer.opaque()
        count = answer.word()
        for number in range(count):
            operation, result = answer.word(), answer.word()
            if result != OK:
                raise NfsError(result)
            if operation == keep or number == count - 1:
                break
        if status != OK and keep is None:
            raise NfsError(status)
        return answer

    def _call(self, arguments: bytes) -> _Reader:
        self._xid += 1
        credential = _word(0) + _opaque(b"test") + _word(0, 0, 0)
        header = _word(self._xid, 0, 2, 100003, 4, 1, 1) + _opaque(credential) + _word(0, 0)
        message = header + arguments
        self._socket.sendall(_word(0x80000000 | len(message)) + message)
        answer = _Reader(self._record())
        assert (answer.word(), answer.word(), answer.word()) == (self._xid, 1, 0)
        answer.word()
        answer.opaque()
        assert answer.word() == 0, "the call was not accepted"
        return answer

    def _record(self) -> bytes:
        data, last = b"", False
        while not last:
            (mark,) = struct.unpack(">I", self._exactly(4))
            last = bool(mark & 0x80000000)
            data += self._exactly(mark & 0x7FFFFFFF)
        return data

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionError("the server hung up")
            data += part
        return data
