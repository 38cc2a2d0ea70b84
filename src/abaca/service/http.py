"""A WSGI application, served by threads of this process."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from wsgiref.types import WSGIApplication

import structlog
from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest

log = structlog.get_logger()
BEGIN_SECONDS = 5.0
WAITING = 1024
"""Connections that may wait for `serve`; more are tried again by their clients, seconds later."""
KEPT = 256
"""Connections that are kept open between requests."""
MUTE_SECONDS = 10
"""For how long a connection on which nothing was said yet takes no thread."""
HEADER_BYTES = 64 << 10
"""A request's line and headers, tokens and filters among them; more is 414 or 413."""
BODY_BYTES = 1 << 20
"""Far more than the application takes; what it leaves unread is read here, all at once."""


class HttpServer:
    """Answers requests to ``app``; with a certificate and its key by HTTPS."""

    def __init__(
        self,
        app: WSGIApplication,
        address: str,
        port: int,
        *,
        threads: int,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self._server = _Server(
            (address, port),
            app,
            numthreads=threads,
            server_name="abaca",
            request_queue_size=WAITING,
        )
        self._server.keep_alive_conn_limit = KEPT
        self._server.max_request_header_size = HEADER_BYTES
        self._server.max_request_body_size = BODY_BYTES
        self._tls = tls is not None
        if tls is not None:
            from cheroot.ssl.builtin import BuiltinSSLAdapter  # noqa: PLC0415 - only what is configured

            self._server.ssl_adapter = BuiltinSSLAdapter(*map(str, tls))

    def listen(self) -> str:
        """Open the port; the base URL. OSError if it can't."""
        self._server.prepare()
        # Else each new connection has a thread wait for its first request.
        self._server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, MUTE_SECONDS)
        address, port = self._server.bind_addr[:2]
        host = f"[{address}]" if ":" in address else address
        return f"http{'s' if self._tls else ''}://{host}:{port}"

    def serve(self) -> None:
        """Answer until `stop`."""
        self._server.serve()

    def await_serving(self) -> None:
        """Return once `serve` is at work: cheroot can't stop what is just about to begin."""
        deadline = time.monotonic() + BEGIN_SECONDS
        # No public attribute tells, and the package's type hints leave this one out.
        connections = vars(self._server)["_connections"]
        while not vars(connections)["_serving"] and time.monotonic() < deadline:
            time.sleep(0.001)

    def stop(self) -> None:
        """Finish what is being answered, and close the port."""
        self._server.stop()


class _Request(HTTPRequest):
    """cheroot's, of which nothing is left over."""

    def respond(self) -> None:
        """Answer, and close after a body in chunks: the application knows no such bodies.

        What it leaves unread would be taken for the connection's next request.
        """
        self.close_connection = self.close_connection or self.chunked_read
        super().respond()


class _Connection(HTTPConnection):
    """cheroot's, with our requests."""

    RequestHandlerClass = _Request


class _Server(wsgi.Server):
    """cheroot's, with our connections and our log."""

    ConnectionClass = _Connection

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """What it has to say, mostly of clients that went away."""
        del level
        log.warning("http_server", message=msg.strip(), exc_info=traceback or None)
