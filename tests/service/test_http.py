"""The server of the API under clients that come in crowds, or say nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from abaca.service.http import HttpServer

CROWD = 64
PATIENCE_SECONDS = 20


def answer(_environ: object, start_response: object) -> list[bytes]:
    """A WSGI application that says yes."""
    assert callable(start_response)
    start_response("200 OK", [("Content-Length", "3")])
    return [b"yes"]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """One with a single thread, listening."""
    made = HttpServer(answer, "127.0.0.1", 0, threads=1)
    yield made
    made.stop()


def connect(stack: ExitStack, url: str) -> socket.socket:
    """A new connection to the server."""
    where = urlsplit(url)
    made = socket.create_connection((where.hostname, where.port), timeout=PATIENCE_SECONDS)
    return stack.enter_context(made)


def serve(server: HttpServer) -> None:
    """Have it answer, in a thread of its own."""
    threading.Thread(target=server.serve, daemon=True).start()
    server.await_serving()


def ask(connection: socket.socket) -> bytes:
    """The end of the answer to a GET."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: abaca\r\n\r\n")
    got = b""
    while not got.endswith(b"yes"):
        part = connection.recv(4096)
        assert part, got
        got += part
    return got


def is_open(connection: socket.socket) -> bool:
    """Whether the server has not closed it."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


def test_a_crowd_gets_in(server: HttpServer) -> None:
    """All connect before any is accepted: none is dropped, to come again seconds later."""
    url = server.listen()
    with ExitStack() as stack:
        crowd = [connect(stack, url) for _ in range(CROWD)]
        serve(server)
        assert all(ask(connection).endswith(b"yes") for connection in crowd)


def test_those_who_say_nothing_hold_up_nobody(server: HttpServer) -> None:
    """More connections than threads, and silent: a request is answered while they are open."""
    url = server.listen()
    serve(server)
    with ExitStack() as stack:
        silent = [connect(stack, url) for _ in range(CROWD)]
        assert ask(connect(stack, url)).endswith(b"yes")
        assert all(is_open(connection) for connection in silent)
