"""The API from a configuration: a WSGI application, and the server that runs it here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from cheroot import wsgi

from abaca.api.app import make_app
from abaca.api.auth import Authenticator
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.config import ApiConfig, AuthStrategy, Config
from abaca.db.database import Database

log = structlog.get_logger()


def make_api(config: Config, db: Database, say: Callable[[str], None]) -> WSGIApplication:
    """The application of this configuration; thread-safe.

    ``say`` gets the first administrator's password, once, if there was no user yet.
    """
    api = config.api
    settings = ApiSettings(
        public_endpoint=api.public_endpoint,
        max_limit=api.max_limit,
        default_share_type=api.default_share_type,
        default_share_network=api.default_share_network,
        quota_limits=api.quotas,
    )
    policy = Policy(RULES, file=api.policy_file)
    app = make_app(db, settings, _authenticator(config, db), policy)
    return BehindProxy(app, api.trusted_proxy) if api.trusted_proxy else app


def _authenticator(config: Config, db: Database) -> Authenticator:
    api = config.api
    match api.auth_strategy:
        case AuthStrategy.NONE:
            from abaca.api.auth.none import NoAuth  # noqa: PLC0415 - only what is configured

            return NoAuth(
                project_id=api.none_project_id, user_id=api.none_user_id, role=api.none_role
            )
    raise NotImplementedError


class BehindProxy:
    """Believes X-Forwarded headers of known proxies, and of nobody else."""

    def __init__(self, app: WSGIApplication, proxies: tuple[str, ...]) -> None:
        self._app = app
        self._proxies = frozenset(proxies)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """As WSGI says."""
        if environ.get("REMOTE_ADDR") in self._proxies:
            if proto := _last(environ, "HTTP_X_FORWARDED_PROTO"):
                environ["wsgi.url_scheme"] = proto
            if host := _last(environ, "HTTP_X_FORWARDED_HOST"):
                environ["HTTP_HOST"] = host
            if client := _last(environ, "HTTP_X_FORWARDED_FOR"):
                environ["REMOTE_ADDR"] = client
        return self._app(environ, start)


def _last(environ: WSGIEnvironment, name: str) -> str:
    """What the nearest proxy said: those before it may be anybody's words."""
    return str(environ.get(name, "")).rpartition(",")[2].strip()


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

    def stop(self) -> None:
        """Finish what is being answered, and close the port."""
        self._server.stop()


class _Server(wsgi.Server):
    """cheroot's, with our log."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """What it has to say, mostly of clients that went away."""
        del level
        log.warning("http_server", message=msg.strip(), exc_info=traceback or None)
