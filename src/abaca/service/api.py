"""The API from a configuration: a WSGI application, and the server that runs it here."""

from __future__ import annotations

import time
from collections.abc import Callable
from wsgiref.types import WSGIApplication

import structlog
from cheroot import wsgi

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings, CurrentSettings
from abaca.config import ApiConfig, Config
from abaca.db.database import Database
from abaca.service.auth import make_authenticator

log = structlog.get_logger()


def make_settings(config: Config) -> ApiSettings:
    """What the API is told of the configuration."""
    api = config.api
    return ApiSettings(
        public_endpoint=api.public_endpoint,
        max_limit=api.max_limit,
        default_share_type=api.default_share_type,
        default_share_network=api.default_share_network,
        admin_only_metadata=frozenset(api.admin_only_metadata),
        soft_deleted_seconds=api.soft_deleted_seconds,
        transfer_seconds=api.transfer_seconds,
        quota_limits=api.quotas,
        trusted_proxy=frozenset(api.trusted_proxy),
    )


def make_api(
    config: Config,
    db: Database,
    say: Callable[[str], None],
    current: CurrentSettings | None = None,
) -> WSGIApplication:
    """The application of this configuration; thread-safe.

    ``say`` gets the first administrator's password, once, if there was no user yet.
    ``current`` has the settings of `make_settings`, and may change while it runs.
    """
    settings = make_settings(config)
    policy = Policy(RULES, file=config.api.policy_file)
    authenticator = make_authenticator(config, settings, db, say)
    return make_app(db, settings, authenticator, policy, current=current)


BEGIN_SECONDS = 5.0


class ApiServer:
    """Answers requests in threads of this process. ``app`` is any WSGI application."""

    def __init__(self, app: WSGIApplication, api: ApiConfig) -> None:
        self._server = _Server(
            (api.listen_address, api.listen_port), app, numthreads=api.threads, server_name="abaca"
        )
        self._tls = bool(api.tls_cert and api.tls_key)
        if self._tls:
            from cheroot.ssl.builtin import BuiltinSSLAdapter  # noqa: PLC0415 - only what is configured

            self._server.ssl_adapter = BuiltinSSLAdapter(str(api.tls_cert), str(api.tls_key))

    def listen(self) -> str:
        """Open the port; the base URL. OSError if it can't."""
        self._server.prepare()
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


class _Server(wsgi.Server):
    """cheroot's, with our log."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """What it has to say, mostly of clients that went away."""
        del level
        log.warning("http_server", message=msg.strip(), exc_info=traceback or None)
