"""An HTTP proxy on loopback, between a client and the real server, that can do harm.

Without a fault it passes requests on. Faults are what networks and servers do:
no answer, a late one, a refusal, or something that is no answer at all.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
UPSTREAM_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request instead of, or after, passing it on."""

    status: int | None = None
    """Answer this; None and no body: close the connection without an answer."""
    body: bytes = b""
    kind: str = "application/json"
    delay: float = 0
    """Seconds before the answer."""
    done: bool = False
    """The server gets the request, and only its answer is lost."""


DOWN = Fault()
SLOW = Fault(status=200, body=b"{}", delay=5)
LOST = Fault(done=True)
GARBAGE = Fault(status=200, body=b"<html>Welcome to the guest network</html>", kind="text/html")
EMPTY = Fault(status=200, body=b"{}")
NOT_AN_OBJECT = Fault(status=200, body=b'["a", 1]')
FAULTS = {
    "down": DOWN,
    "slow": SLOW,
    "answer lost": LOST,
    "garbage": GARBAGE,
    "empty object": EMPTY,
    "no object": NOT_AN_OBJECT,
    **{
        str(status): Fault(status=status, body=b'{"error": {"message": "injected"}}')
        for status in (401, 409, 429, 500, 502, 503, 504)
    },
}
"""By name: those after which trying again later is right."""


@dataclass(slots=True)
class FaultProxy:
    """Between a client and ``upstream``."""

    upstream: str
    port: int = 0
    calls: list[str] = field(default_factory=list)
    """``METHOD path`` of every request that came."""
    decide: Callable[[str], Fault | None] = lambda _call: None

    @property
    def url(self) -> str:
        """Where the client finds it."""
        return f"http://127.0.0.1:{self.port}{urlsplit(self.upstream).path}"

    @contextmanager
    def failing(self, fault: Fault, where: str = "") -> Iterator[None]:
        """Inside, every request whose ``METHOD path`` has that text in it meets the fault."""
        self.decide = lambda call: fault if where in call else None
        try:
            yield
        finally:
            self.decide = lambda _call: None


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy that runs until the block ends."""
    proxy = FaultProxy(upstream)
    over = threading.Event()
    handler = type("Handler", (_Handler,), {"proxy": proxy, "over": over})
    server = _Quiet(("127.0.0.1", 0), handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        over.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that has gone away is none."""


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[FaultProxy]
    over: ClassVar[threading.Event]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        call = f"{self.command} {self.path}"
        self.proxy.calls.append(call)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        fault = self.proxy.decide(call)
        if fault is None or fault.done:
            status, headers, answer = self._pass_on(body)
            if fault is None:
                self._answer(status, headers, answer)
        if fault is None:
            return
        if fault.delay:
            self.over.wait(fault.delay)
        if fault.status is None:
            self.close_connection = True
            return
        self._answer(fault.status, [("Content-Type", fault.kind)], fault.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _handle  # noqa: N815 - names of http.server

    def _pass_on(self, body: bytes | None) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = urlsplit(self.proxy.upstream)
        connection = http.client.HTTPConnection(
            upstream.hostname or "", upstream.port, timeout=UPSTREAM_SECONDS
        )
        try:
            kept: dict[str, Any] = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in HOP_BY_HOP
            }
            connection.request(self.command, self.path, body, kept)
            found = connection.getresponse()
            headers = [item for item in found.getheaders() if item[0].lower() not in HOP_BY_HOP]
            return found.status, headers, found.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
