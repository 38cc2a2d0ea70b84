"""Tokens of a real Keystone, checked by keystonemiddleware.

Imported only where configured: the middleware costs half of the start-up time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import falcon
from keystoneauth1 import exceptions as ksa
from keystonemiddleware import auth_token

from abaca.api.auth import Caller
from abaca.errors import ServiceUnavailable, Unauthorized
from abaca.identity.login import REFUSED

TOKEN_CACHE_SECONDS = 5
"""So long a revoked token may be believed, unless token_cache_time says otherwise.

The middleware's own default is 300: it keeps what Keystone said in the process.
"""
MAY_CHECK = {"service", "admin"}
"""Roles of users whom Keystone's own policy tells whether somebody's token is valid."""
NOBODYS = "abaca-config-check"
_HEADERS = {
    "user_name": "HTTP_X_USER_NAME",
    "project_name": "HTTP_X_PROJECT_NAME",
    "user_domain_id": "HTTP_X_USER_DOMAIN_ID",
    "project_domain_id": "HTTP_X_PROJECT_DOMAIN_ID",
}


class Keystone:
    """``options`` are those of ``[keystone_authtoken]``, as operators write them."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._seen = threading.local()
        self._options = options
        self._middleware = auth_token.AuthProtocol(
            self._passed,
            {"token_cache_time": TOKEN_CACHE_SECONDS, **options, "delay_auth_decision": False},
        )

    def authenticate(self, req: falcon.Request) -> Caller:
        """The caller that Keystone confirms; headers that a client made up are dropped before."""
        self._seen.environ = None
        status: list[str] = []

        def start_response(code: str, *_: object) -> Callable[[bytes], object]:
            status.append(code)
            return lambda _: None

        try:
            self._middleware(req.env, start_response)
        except Exception as error:
            # Keystone does not answer, or what does says what the middleware can't read.
            raise ServiceUnavailable(f"Keystone: {type(error).__name__}: {error}") from error
        environ = self._seen.environ
        if environ is None:
            if status and status[0].startswith("5"):
                raise ServiceUnavailable(f"Keystone: {status[0]}")
            raise Unauthorized(REFUSED)
        project_id = environ.get("HTTP_X_PROJECT_ID")
        if not project_id:
            raise Unauthorized("The token is for no project; ask for one with a project scope.")
        roles = environ.get("HTTP_X_ROLES", "").split(",")
        return Caller(
            user_id=environ.get("HTTP_X_USER_ID", ""),
            project_id=project_id,
            roles=frozenset(role.strip().lower() for role in roles if role.strip()),
            credentials={name: environ.get(key) for name, key in _HEADERS.items()},
        )

    def _passed(
        self, environ: dict[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        """The middleware calls on only what Keystone confirmed."""
        self._seen.environ = environ
        start_response("200 OK", [])
        return [b""]

    def challenge(self, _req: falcon.Request) -> str:
        """Where tokens come from."""
        return f'Keystone uri="{self._middleware._www_authenticate_uri}"'  # noqa: SLF001 - as it answers itself

    def mount(self, app: falcon.App[Any, Any]) -> None:
        """Nothing to serve: Keystone is elsewhere."""

    def findings(self) -> list[str]:
        """Why Keystone would not tell us whether tokens are valid, one line each; asks it."""
        try:
            lines = list(self._findings())
        except ksa.EndpointNotFound as error:
            lines = [f"interface: Keystone's own endpoint is not in its catalog: {error}"]
        except ksa.Unauthorized as error:
            lines = [f"username, password, project_name: Keystone refuses them: {error}"]
        except ksa.DiscoveryFailure as error:
            lines = [f"auth_url: {self._where()} is no Keystone: {error}"]
        except ksa.AuthPluginException as error:
            lines = [f"auth_type: {error}; write password and its options"]
        except Exception as error:  # noqa: BLE001 - what answers may be anything: see above
            lines = [f"auth_url: {self._where()} does not answer: {error}"]
        return [f"[keystone_authtoken] {' '.join(line.split())}" for line in lines]

    def _where(self) -> str:
        return str(self._options.get("auth_url") or "Keystone")

    def _findings(self) -> Iterable[str]:
        # Nothing of this is public: it asks just as the middleware asks itself.
        auth, session = self._middleware._auth, self._middleware._session  # noqa: SLF001
        session.get_token(auth)
        access = auth.get_access(session)
        if not MAY_CHECK.intersection(access.role_names):
            roles = ", ".join(sorted(access.role_names)) or "none"
            yield (
                f"username: {access.username} may not ask whether tokens are valid (its roles in "
                f"{access.project_name}: {roles}); give it the role service"
            )
        try:
            self._middleware._identity_server._adapter.get(  # noqa: SLF001
                "/auth/tokens",
                headers={"X-Subject-Token": NOBODYS},
                endpoint_filter={"version": (3, 0)},
            )
        except ksa.NotFound:  # as it should: there is no such token
            return
