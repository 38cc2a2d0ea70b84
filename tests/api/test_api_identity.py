"""The builtin identity over HTTP: logging in, what a token may do, and when it stops."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from abaca.api.app import make_app
from abaca.api.auth.builtin import Builtin
from abaca.api.auth.http_basic import HttpBasic
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.errors import Conflict, Unauthorized
from abaca.identity.accounts import Accounts
from abaca.identity.login import Login
from abaca.identity.passwords import Failures, Hasher
from abaca.identity.tokens import Tokens, rotate

SETTINGS = ApiSettings()
PASSWORD = "correct horse"
DEFAULT = {"id": "default"}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class World:
    """An API with builtin identity: alice is a member of red, root an administrator of admin."""

    db: Database
    accounts: Accounts
    login: Login
    clock: Clock
    client: falcon.testing.TestClient
    basic: falcon.testing.TestClient
    key_file: Path

    def token(
        self, user: str = "alice", project: str | None = "red", password: str = PASSWORD
    ) -> falcon.testing.Result:
        """POST /auth/tokens with a password."""
        who = {"name": user, "domain": DEFAULT, "password": password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": who}}}
        if project is not None:
            auth["scope"] = {"project": {"name": project, "domain": {"name": "Default"}}}
        return self.post({"auth": auth})

    def post(self, body: object) -> falcon.testing.Result:
        """POST /auth/tokens."""
        return self.client.simulate_post("/identity/v3/auth/tokens", json=body)

    def zones(self, token: str | None) -> int:
        """Status of a request to the API with this token."""
        headers = {"X-Auth-Token": token} if token else {}
        return self.client.simulate_get("/v2/os-availability-zone", headers=headers).status_code


@pytest.fixture
def world(db: Database, tmp_path: Path) -> World:
    """The world, with cheap hashes."""
    hasher, clock = Hasher(cheap=True), Clock()
    key_file = tmp_path / "keys" / "token-keys"
    login = Login(db, hasher, Failures(clock), Tokens(key_file, seconds=3600, clock=clock))
    accounts = Accounts(db, hasher)
    accounts.bootstrap(PASSWORD)
    for name in ("red", "blue"):
        accounts.create_project(name)
    accounts.create_user("alice", PASSWORD)
    accounts.grant("alice", "red", "member")
    clients = [
        falcon.testing.TestClient(make_app(db, SETTINGS, kind(login, SETTINGS, db), Policy(RULES)))
        for kind in (Builtin, HttpBasic)
    ]
    return World(db, accounts, login, clock, clients[0], clients[1], key_file)


def subject(result: falcon.testing.Result) -> str:
    """The token that was given."""
    assert result.status_code == 201, result.text
    return result.headers["X-Subject-Token"]


def test_discovery(world: World) -> None:
    """Both auth_urls lead to version 3, without a token."""
    root = world.client.simulate_get("/identity")
    assert root.status_code == 300
    assert root.json["versions"]["values"][0]["links"][0]["href"].endswith("/identity/v3/")
    assert world.client.simulate_get("/identity/v3").json["version"]["id"] == "v3.14"
    assert world.client.simulate_get("/identity/v3/").status_code == 200


def test_password_gives_a_token_that_works(world: World) -> None:
    """Name, password and project give a scoped token with roles and a catalog; it opens the API."""
    result = world.token()
    token = result.json["token"]
    assert token["user"]["name"] == "alice"
    assert token["project"]["name"] == "red"
    assert {role["name"] for role in token["roles"]} == {"member", "reader"}
    urls = {s["type"]: s["endpoints"][0]["url"] for s in token["catalog"]}
    assert urls["sharev2"] == urls["shared-file-system"] == urls["share"]
    assert urls["sharev2"].endswith("/v2")
    assert urls["identity"].endswith("/identity/v3")
    assert world.zones(subject(result)) == 200


def test_user_and_project_by_id(world: World) -> None:
    """IDs do as well as names."""
    token = world.token().json["token"]
    user = {"id": token["user"]["id"], "password": PASSWORD}
    scope = {"project": {"id": token["project"]["id"]}}
    identity = {"methods": ["password"], "password": {"user": user}}
    assert world.post({"auth": {"identity": identity, "scope": scope}}).status_code == 201


@pytest.mark.parametrize(
    ("user", "project", "password"),
    [
        ("alice", "red", "wrong password"),
        ("nobody", "red", PASSWORD),
        ("alice", "blue", PASSWORD),
        ("alice", "no-such", PASSWORD),
    ],
)
def test_what_is_wrong_is_not_told(world: World, user: str, project: str, password: str) -> None:
    """Wrong password, user, project: one and the same refusal, in Keystone's form."""
    result = world.token(user, project, password)
    assert result.status_code == 401
    assert result.json["error"]["code"] == 401
    assert result.json == world.token("alice", "red", "other wrong").json


def test_no_token_and_nonsense_are_refused(world: World) -> None:
    """The API wants a token of ours."""
    assert world.zones(None) == 401
    assert world.zones("x" * 50) == 401
    assert world.zones("x" * 5000) == 401


def test_a_token_without_project_opens_nothing(world: World) -> None:
    """An unscoped token lists one's projects and can be exchanged, no more."""
    unscoped = subject(world.token(project=None))
    assert world.zones(unscoped) == 401
    found = world.client.simulate_get(
        "/identity/v3/auth/projects", headers={"X-Auth-Token": unscoped}
    )
    assert [project["name"] for project in found.json["projects"]] == ["red"]
    identity = {"methods": ["token"], "token": {"id": unscoped}}
    scope = {"project": {"id": found.json["projects"][0]["id"]}}
    exchanged = world.post({"auth": {"identity": identity, "scope": scope}})
    assert world.zones(subject(exchanged)) == 200


def test_tokens_expire(world: World) -> None:
    """After their lifetime they are refused; exchanging one does not prolong it."""
    first = world.token()
    world.clock.now += 3000
    identity = {"methods": ["token"], "token": {"id": subject(first)}}
    second = world.post(
        {"auth": {"identity": identity, "scope": {"project": first.json["token"]["project"]}}}
    )
    assert second.json["token"]["expires_at"] == first.json["token"]["expires_at"]
    world.clock.now += 599
    assert world.zones(subject(second)) == 200
    world.clock.now += 2
    assert world.zones(subject(second)) == 401


def test_a_token_is_given_back(world: World) -> None:
    """A revoked token is refused, others go on; validation finds it gone."""
    gone, other = subject(world.token()), subject(world.token())
    headers = {"X-Auth-Token": other, "X-Subject-Token": gone}
    path = "/identity/v3/auth/tokens"
    assert world.client.simulate_get(path, headers=headers).status_code == 200
    assert world.client.simulate_delete(path, headers=headers).status_code == 204
    assert world.zones(gone) == 401
    assert world.zones(other) == 200
    assert world.client.simulate_get(path, headers=headers).status_code == 404


def test_only_administrators_look_at_others_tokens(world: World) -> None:
    """Alice can't validate an administrator's token; the other way round works."""
    alice, admin = subject(world.token()), subject(world.token("admin", "admin"))
    path = "/identity/v3/auth/tokens"
    headers = {"X-Auth-Token": alice, "X-Subject-Token": admin}
    assert world.client.simulate_get(path, headers=headers).status_code == 403
    headers = {"X-Auth-Token": admin, "X-Subject-Token": alice}
    assert world.client.simulate_get(path, headers=headers).json["token"]["user"]["name"] == "alice"


def test_changes_count_at_once(world: World) -> None:
    """A lost role, a new password, a locked or deleted user: tokens from before are refused."""
    token = subject(world.token())
    world.accounts.revoke("alice", "red", "member")
    assert world.zones(token) == 401
    world.accounts.grant("alice", "red", "reader")
    assert world.zones(token) == 200
    world.accounts.set_enabled("alice", enabled=False)
    assert world.zones(token) == 401
    assert world.token().status_code == 401
    world.accounts.set_enabled("alice", enabled=True)
    world.accounts.delete_user("alice")
    assert world.token().status_code == 401


def test_a_new_password_ends_sessions(db: Database, tmp_path: Path) -> None:
    """Setting a password refuses tokens of the old one, and the old one itself."""
    hasher = Hasher(cheap=True)
    accounts = Accounts(db, hasher)
    made = accounts.bootstrap(PASSWORD)
    login = Login(db, hasher, Failures(), Tokens(tmp_path / "keys", seconds=60))
    text, _ = login.by_password("admin", PASSWORD, made.project.id, address="a")
    accounts.set_password("admin", "another horse")
    with pytest.raises(Unauthorized):
        login.session(text)
    with pytest.raises(Unauthorized):
        login.by_password("admin", PASSWORD, made.project.id, address="a")
    assert login.by_password("admin", "another horse", made.project.id, address="a")


def test_guessers_wait(world: World) -> None:
    """After five failures each further try waits, even a right one; then it works again."""
    for _ in range(5):
        assert world.token(password="guess").status_code == 401
    refused = world.token()
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert world.token("admin", "admin").status_code == 201
    world.clock.now += 2
    assert world.token().status_code == 201


def test_application_credentials(world: World) -> None:
    """Made with a password, they open their project only, with their roles, until removed."""
    world.accounts.grant("alice", "red", "manager")
    result = world.token()
    headers = {"X-Auth-Token": subject(result)}
    path = f"/identity/v3/users/{result.json['token']['user']['id']}/application_credentials"
    body = {"application_credential": {"name": "ci", "roles": [{"name": "member"}]}}
    made = world.client.simulate_post(path, json=body, headers=headers)
    assert made.status_code == 201, made.text
    credential = made.json["application_credential"]
    again = world.client.simulate_post(path, json=body, headers=headers)
    assert again.status_code == 409

    part = {"id": credential["id"], "secret": credential["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": part}
    session = world.post({"auth": {"identity": identity}})
    assert session.json["token"]["project"]["name"] == "red"
    assert {role["name"] for role in session.json["token"]["roles"]} == {"member", "reader"}
    assert world.zones(subject(session)) == 200

    own = {"X-Auth-Token": subject(session)}
    body = {"application_credential": {"name": "child"}}
    assert world.client.simulate_post(path, json=body, headers=own).status_code == 403

    listed = world.client.simulate_get(path, headers=headers).json["application_credentials"]
    assert [item["name"] for item in listed] == ["ci"]
    assert "secret" not in listed[0]
    gone = world.client.simulate_delete(f"{path}/{credential['id']}", headers=headers)
    assert gone.status_code == 204
    assert world.zones(subject(session)) == 401
    assert world.post({"auth": {"identity": identity}}).status_code == 401


def test_credentials_by_name_and_with_excess_roles(world: World) -> None:
    """By name they need their user; roles that the user lacks are refused."""
    result = world.token()
    headers = {"X-Auth-Token": subject(result)}
    path = f"/identity/v3/users/{result.json['token']['user']['id']}/application_credentials"
    body = {"application_credential": {"name": "ci", "roles": [{"name": "admin"}]}}
    assert world.client.simulate_post(path, json=body, headers=headers).status_code == 400
    body = {"application_credential": {"name": "ci", "secret": "0123456789abcdef"}}
    assert world.client.simulate_post(path, json=body, headers=headers).status_code == 201
    part = {
        "name": "ci",
        "user": {"name": "alice", "domain": DEFAULT},
        "secret": "0123456789abcdef",
    }
    identity = {"methods": ["application_credential"], "application_credential": part}
    assert world.post({"auth": {"identity": identity}}).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"auth": {}},
        {"auth": {"identity": {"methods": []}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {}}}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "a"}}}}},
    ],
)
def test_bad_logins_say_what_is_missing(world: World, body: object) -> None:
    """A login of the wrong form is 400 and says what to give."""
    result = world.post(body)
    assert result.status_code == 400
    assert "Give" in result.json["error"]["message"] or "give" in result.json["error"]["message"]


def test_projects_and_users_are_ones_own(world: World) -> None:
    """Alice sees her project and herself; an administrator all."""
    alice = {"X-Auth-Token": subject(world.token())}
    admin = {"X-Auth-Token": subject(world.token("admin", "admin"))}
    get = world.client.simulate_get
    projects = get("/identity/v3/projects", headers=admin).json["projects"]
    assert {item["name"] for item in projects} == {"admin", "blue", "red"}
    blue = next(item["id"] for item in projects if item["name"] == "blue")
    assert [p["name"] for p in get("/identity/v3/projects", headers=alice).json["projects"]] == [
        "red"
    ]
    assert get(f"/identity/v3/projects/{blue}", headers=alice).status_code == 404
    assert get(f"/identity/v3/projects/{blue}", headers=admin).status_code == 200
    users = get("/identity/v3/users?name=admin", headers=admin).json["users"]
    assert get(f"/identity/v3/users/{users[0]['id']}", headers=alice).status_code == 404
    assert get("/identity/v3/users", headers=alice).json["users"][0]["name"] == "alice"


def test_keys_rotate_and_are_private(world: World) -> None:
    """After a rotation old tokens still open, two rotations later they don't; the file is 0600."""
    text = subject(world.token())
    assert world.key_file.stat().st_mode & 0o777 == 0o600

    def fresh() -> Tokens:
        return Tokens(world.key_file, seconds=3600, clock=world.clock)

    for _ in range(2):
        rotate(world.key_file)
        assert fresh().open(text)
    rotate(world.key_file)
    with pytest.raises(Unauthorized):
        fresh().open(text)


def test_http_basic(world: World) -> None:
    """User and password with each request; the project from path, header, or the only one."""

    def get(path: str, password: str = PASSWORD, **headers: str) -> int:
        value = base64.b64encode(f"alice:{password}".encode()).decode()
        sent = {
            "Authorization": f"Basic {value}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        return world.basic.simulate_get(path, headers=sent).status_code

    assert get("/v2/os-availability-zone") == 200
    assert get("/v2/os-availability-zone", password="wrong") == 401
    blue = world.accounts.create_project("green")
    world.accounts.grant("alice", "green", "reader")
    assert get("/v2/os-availability-zone") == 401
    assert get(f"/v2/{blue.id}/os-availability-zone") == 200
    assert get("/v2/os-availability-zone", X_Project_Id="green") == 200
    assert get("/v2/os-availability-zone", X_Project_Id="blue") == 401
    world.accounts.set_password("alice", "something else")
    assert get("/v2/os-availability-zone", X_Project_Id="green") == 401
    assert (
        world.basic.simulate_get("/v2/os-availability-zone").headers["WWW-Authenticate"][:5]
        == "Basic"
    )


def test_first_start_makes_one_administrator(db: Database) -> None:
    """Once; never where there is a user already. The last administrator can't be removed."""
    accounts = Accounts(db, Hasher(cheap=True))
    made = accounts.first_start()
    assert made is not None
    assert len(made.password) >= 20
    assert accounts.first_start() is None
    with pytest.raises(Conflict, match="last administrator"):
        accounts.delete_user("admin")
    with pytest.raises(Conflict, match="exists"):
        accounts.bootstrap()
