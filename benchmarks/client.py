"""A client that costs next to nothing: one connection, requests made ready before.

The standard library's takes as long as the server to be measured.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Self

VERSION = "2.78"
SECONDS = 120
TURN = 10
"""Requests to one server before the next one's turn: each has what it needs at hand again."""
_CLOSES = re.compile(rb"\r\nconnection: *close\r", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request(
    method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request as it goes over the wire."""
    sent = {"Host": "127.0.0.1", "X-OpenStack-Manila-API-Version": VERSION, **(headers or {})}
    content = b""
    if body is not None:
        content = json.dumps(body).encode()
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection:
    """One connection that is kept, and made anew where the server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connect()
        self._open = True

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, wire: bytes) -> bytes:
        """The body of the answer; RuntimeError unless the status is one of success."""
        head, body = self._exchange(wire)
        if head[9:10] != b"2":
            raise RuntimeError((head + body).decode(errors="replace")[:2000])
        return body

    def exchange(self, wire: bytes) -> tuple[dict[str, str], bytes]:
        """Headers (names in lower case) and body of the answer."""
        head, body = self._exchange(wire)
        lines = head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}, body

    def _exchange(self, wire: bytes) -> tuple[bytes, bytes]:
        got = self._begin(wire)
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._receive()
        found = _LENGTH.search(got, 0, end + 2)
        whole = end + 4 + (int(found[1]) if found else 0)
        parts, have = [got], len(got)
        while have < whole:
            parts.append(self._receive())
            have += len(parts[-1])
        got = b"".join(parts)
        if _CLOSES.search(got, 0, end + 2):
            # Made anew with the next request: a new connection has a thread of the server's wait.
            self._socket.close()
            self._open = False
        return got[:end], got[end + 4 :]

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """The answer, decoded."""
        answer = self.send(request(method, path, body))
        return json.loads(answer) if answer else None

    def _begin(self, wire: bytes) -> bytes:
        """The first bytes of the answer; again if the server had closed what was idle."""
        got = b""
        if self._open:
            with suppress(ConnectionError):
                self._socket.sendall(wire)
                got = self._socket.recv(1 << 18)
        if not got:
            self._socket.close()
            self._socket, self._open = self._connect(), True
            self._socket.sendall(wire)
            got = self._receive()
        return got

    def _receive(self) -> bytes:
        part = self._socket.recv(1 << 18)
        if not part:
            raise RuntimeError("the server closed the connection")
        return part


def one_after_the_other(port: int, wires: Sequence[bytes], times: int) -> list[float]:
    """Seconds of each request of so many, the wires taken in turn, after a tenth as warm-up."""
    return in_turn(((port, wires),), times)[0]


def in_turn(asked: Sequence[tuple[int, Sequence[bytes]]], times: int) -> list[list[float]]:
    """The same of several servers, some requests to each: what else goes on hits all alike."""
    taken: list[list[float]] = [[] for _ in asked]
    whole = max(1, times // 10) + times
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(port)) for port, _ in asked]
        for first in range(0, whole, TURN):
            for place, (_, wires) in enumerate(asked):
                for number in range(first, min(first + TURN, whole)):
                    begun = time.perf_counter()
                    connections[place].send(wires[number % len(wires)])
                    taken[place].append(time.perf_counter() - begun)
    return [seconds[-times:] for seconds in taken]


def per_second(port: int, wires: Sequence[bytes], times: int, *, connections: int = 4) -> float:
    """Answers per second over several connections at once."""
    barrier = threading.Barrier(connections + 1)
    failures: list[BaseException] = []

    def body(offset: int) -> None:
        try:
            with Connection(port) as connection:
                connection.send(wires[offset % len(wires)])
                barrier.wait()
                for number in range(times // connections):
                    connection.send(wires[(offset + number) % len(wires)])
        except BaseException as failure:  # noqa: BLE001 - told below
            failures.append(failure)
            barrier.abort()

    threads = [threading.Thread(target=body, args=(number * 7,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    try:
        barrier.wait()
    except threading.BrokenBarrierError:
        raise RuntimeError(f"no answer: {failures}") from None
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError("a request failed") from failures[0]
    return times // connections * connections / (time.perf_counter() - begun)
