"""An HTTP proxy between a plugin and a real server, that can be told to misbehave."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP_HEADERS = {"connection", "content-length", "transfer-encoding", "host"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is answered instead of the server's own words."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    delay: float = 0
    drop: bool = False
    """Close the connection without an answer."""
    short: bool = False
    """Promise more bytes than there are."""
    done: bool = False
    """The server gets the request all the same."""


@dataclass(slots=True, kw_only=True)
class FaultProxy:
    """Listens on a port of loopback; ``fault`` is asked for each request, None lets it through."""

    target: int
    """Port of the real server."""
    fault: Callable[[str, str], Fault | None] = lambda _method, _path: None
    port: int = 0
    """Where it listens; any free port if 0."""
    calls: list[str] = field(default_factory=list)
    """Method and path of each request, in order."""
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """What the plugin is configured with."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Accept connections."""
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultProxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.owner.calls.append(f"{self.command} {self.path}")
        fault = self.owner.fault(self.command, self.path)
        if fault is None:
            status, content_type, answer = self._forward(body)
            self._answer(status, content_type, answer, len(answer))
            return
        if fault.done:
            self._forward(body)
        time.sleep(fault.delay)
        self.close_connection = True
        if not fault.drop:
            self._answer(
                fault.status,
                fault.content_type,
                fault.body,
                len(fault.body) + (100 if fault.short else 0),
            )

    def _forward(self, body: bytes) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.target, timeout=120)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_HEADERS}
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        read = answer.read()
        content_type = answer.getheader("Content-Type") or ""
        connection.close()
        return answer.status, content_type, read

    def _answer(self, status: int, content_type: str, body: bytes, length: int) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the client has lost its patience
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server asks for

    def log_message(self, *_args: Any) -> None:  # type: ignore[override]
        """Say nothing."""
