"""An API in this process, on SQLite in a temporary directory, with named callers.

``client.call("alice", "GET", "/v2/shares")`` asks as alice. The callers:
admin (administrator, project ``ops``); mona (manager), alice (member) and rita
(reader) of project ``red``; bob (member) and ben (reader) of project ``blue``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import falcon
import falcon.testing
import pytest

from abaca.api.app import make_app
from abaca.api.auth import Caller
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.errors import Unauthorized
from abaca.identity.roles import with_implied

CALLERS = {
    "admin": ("ops", "admin"),
    "mona": ("red", "manager"),
    "alice": ("red", "member"),
    "rita": ("red", "reader"),
    "bob": ("blue", "member"),
    "ben": ("blue", "reader"),
}


class ByName:
    """Believes what the header says."""

    def authenticate(self, req: falcon.Request) -> Caller:
        """The caller of that name."""
        name = req.get_header("X-Auth-Token")
        if name not in CALLERS:
            raise Unauthorized("Who are you?")
        project, role = CALLERS[name]
        return Caller(user_id=name, project_id=project, roles=with_implied({role}))

    def challenge(self, _req: falcon.Request) -> str:
        """For the 401."""
        return "Name"

    def mount(self, app: falcon.App) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Client:
    """Calls the API in this process."""

    db: Database
    app: falcon.App

    def call(
        self,
        who: str | None,
        method: str,
        path: str,
        *,
        version: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> falcon.testing.Result:
        """The answer to one request; ``who`` None: without a token."""
        sent = dict(headers or {})
        if who is not None:
            sent["X-Auth-Token"] = who
        if version is not None:
            sent["X-OpenStack-Manila-API-Version"] = version
        path, _, query = path.partition("?")
        options: dict[str, Any] = {"json": body} if body is not None else {}
        return falcon.testing.TestClient(self.app).simulate_request(
            method, path, query_string=query, headers=sent, **options
        )


SETTINGS = ApiSettings(
    default_share_type="gold", admin_only_metadata=frozenset({"__affinity_same_host"})
)


@pytest.fixture
def client(db: Database) -> Client:
    """The API on that database."""
    return Client(db, make_app(db, SETTINGS, ByName(), Policy(RULES)))
