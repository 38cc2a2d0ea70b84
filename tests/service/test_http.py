"""The server of the API under clients that come in crowds, or say nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from abaca.service.http import BODY_BYTES, HEADER_BYTES, HttpServer

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


def said_to(server: HttpServer, request: bytes) -> bytes:
    """All that the server says on a connection on which this is sent, until it closes it."""
    url = server.listen()
    serve(server)
    with ExitStack() as stack:
        connection = connect(stack, url)
        connection.sendall(request)
        got = b""
        while part := connection.recv(4096):
            got += part
    return got


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /?" + b"x" * HEADER_BYTES + b" HTTP/1.1\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX-Auth-Token: " + b"x" * (HEADER_BYTES + 512), b"413"),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES + 1), b"413"),
    ],
    ids=["line", "headers", "body"],
)
def test_too_much_is_refused_unread(server: HttpServer, request_line: bytes, status: bytes) -> None:
    """Whoever has no token either does not get all that he says into memory."""
    assert said_to(server, request_line).split()[1] == status


def test_nothing_of_a_body_is_taken_for_a_request(server: HttpServer) -> None:
    """In chunks too, which the application does not read: there is one answer, and the end."""
    chunks = b"2a;x /inner HTTP/1.1\r\nHost: abaca\r\n\r\n" + b"x" * 42 + b"\r\n0\r\n\r\n"
    outer = b"POST / HTTP/1.1\r\nHost: abaca\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert said_to(server, outer + chunks).count(b"HTTP/1.1 ") == 1
