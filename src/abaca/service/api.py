"""The API from a configuration: a WSGI application, and the server that runs it here."""

from __future__ import annotations

from collections.abc import Callable
from wsgiref.types import WSGIApplication

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings, CurrentSettings
from abaca.config import ApiConfig, Config
from abaca.db.database import Database
from abaca.service.auth import make_authenticator
from abaca.service.http import HttpServer


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


def make_server(app: WSGIApplication, api: ApiConfig) -> HttpServer:
    """The server of the API, not yet listening."""
    tls = (api.tls_cert, api.tls_key) if api.tls_cert and api.tls_key else None
    return HttpServer(app, api.listen_address, api.listen_port, threads=api.threads, tls=tls)
