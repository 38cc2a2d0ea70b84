"""The keystone strategy: keystonemiddleware decides, and what a client claims does not count."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import falcon.testing
import pytest

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db.database import Database

pytestmark = pytest.mark.filterwarnings("ignore")  # the middleware's libraries deprecate a lot


class FakeKeystone(BaseHTTPRequestHandler):
    """Answers what keystonemiddleware asks: its own login, and the validation of tokens."""

    tokens: ClassVar[dict[str, dict[str, Any]]] = {}

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Discovery, and validation."""
        if self.path.rstrip("/").endswith("auth/tokens"):
            found = self.tokens.get(self.headers["X-Subject-Token"])
            self._answer(200 if found else 404, {"token": found} if found else {"error": {}})
            return
        url = f"http://127.0.0.1:{self.server.server_address[1]}/v3"
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": url}]}
        if self.path.startswith("/v3"):
            self._answer(200, {"version": version})
        else:
            self._answer(300, {"versions": {"values": [version]}})

    def do_POST(self) -> None:
        """The service logs in."""
        self.rfile.read(int(self.headers["Content-Length"]))
        url = f"http://127.0.0.1:{self.server.server_address[1]}/v3"
        endpoints = [
            {"id": name, "interface": name, "region": "r", "region_id": "r", "url": url}
            for name in ("public", "internal", "admin")
        ]
        service = {"id": "i", "type": "identity", "name": "keystone", "endpoints": endpoints}
        own = {**token("service", "services", "admin"), "catalog": [service]}
        self._answer(201, {"token": own}, X_Subject_Token="own")


def token(user: str, project: str, role: str) -> dict[str, Any]:
    """A token as Keystone describes it."""
    domain = {"id": "default", "name": "Default"}
    return {
        "methods": ["password"],
        "user": {"id": user, "name": user, "domain": domain},
        "project": {"id": project, "name": project, "domain": domain},
        "roles": [{"id": role, "name": role}],
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "catalog": [],
    }


@pytest.fixture
def client(db: Database) -> Iterator[falcon.testing.TestClient]:
    """An API that asks a Keystone on loopback, which knows two tokens."""
    from abaca.api.auth.keystone import Keystone  # noqa: PLC0415 - half a second to import

    FakeKeystone.tokens = {
        "of-alice": token("alice", "red", "member"),
        "of-root": token("root", "ops", "admin"),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeKeystone)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    options = {
        "auth_type": "password",
        "auth_url": url,
        "www_authenticate_uri": url,
        "username": "abaca",
        "password": "secret",
        "project_name": "services",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "service_token_roles_required": "true",
    }
    yield falcon.testing.TestClient(make_app(db, ApiSettings(), Keystone(options), Policy(RULES)))
    server.shutdown()
    server.server_close()
    thread.join(10)


def types(client: falcon.testing.TestClient, method: str = "GET", **headers: str) -> int:
    """Status of listing (or, as POST, making) share types."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    specs = {"driver_handles_share_servers": "true"}
    body = {"share_type": {"name": "gold", "extra_specs": specs}}
    options: dict[str, Any] = {"json": body} if method == "POST" else {}
    return client.simulate_request(method, "/v2/types", headers=sent, **options).status_code


def test_keystone_says_who_asks(client: falcon.testing.TestClient) -> None:
    """A member lists, an administrator makes; no token, or an unknown one, is 401 with the way."""
    assert types(client, X_Auth_Token="of-alice") == 200
    assert types(client, "POST", X_Auth_Token="of-alice") == 403
    assert types(client, "POST", X_Auth_Token="of-root") == 200
    assert types(client, X_Auth_Token="made-up") == 401
    refused = client.simulate_get("/v2/types")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith('Keystone uri="http://127.0.0.1')
    assert refused.json["unauthorized"]["code"] == 401


def test_a_client_can_not_say_who_it_is(client: falcon.testing.TestClient) -> None:
    """Headers that only the middleware may set are dropped when they come from outside."""
    claims = {"X_Identity_Status": "Confirmed", "X_Project_Id": "ops", "X_Roles": "admin"}
    assert types(client, "POST", **claims, X_User_Id="root") == 401
    assert types(client, "POST", X_Auth_Token="of-alice", **claims) == 403
