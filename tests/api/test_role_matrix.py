"""Each role, each verb on share networks and what belongs to them: ``role_matrix.yaml``, whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from abaca.api.app import make_app
from abaca.api.bodies import Body
from abaca.api.policy import Policy
from abaca.api.routes import ROUTES, RULES
from abaca.api.routing import Action, Route
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.testing.ledger_world import without_sync
from api.conftest import ByName, Client
from api.setups import audits, roles
from support.databases import Databases, Kept

FILE = Path(__file__).with_name("role_matrix.yaml")
CALLERS = ("admin", "mona", "alice", "rita", "bob", "ben", None)
RESOURCES = ("share-networks", "share-servers", "security-services", "orphans")
IDS = {
    "share_network_id",
    "share_network_subnet_id",
    "security_service_id",
    "current_service_id",
    "new_service_id",
}
"""Keys of bodies that name one of these things."""
LISTS = ("/share-networks", "/share-servers", "/security-services")
VERSION = "2.65"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request, and what each caller gets."""

    verb: str
    answers: str
    action: str | None = None
    id: str = "path"
    query: str = ""
    body: Any = None
    version: str | None = None
    finds: str | None = None
    found: str = ""
    params: dict[str, str] = field(default_factory=dict)
    """By name in the path: what it stands for."""

    @property
    def key(self) -> tuple[str, str | None]:
        """The route, and its action."""
        return self.verb, self.action


def read() -> list[Row]:
    """The file."""
    groups = yaml.safe_load(FILE.read_text())
    return [
        Row(**{("params" if key == "with" else key): value for key, value in row.items()})
        for rows in groups.values()
        for row in rows
    ]


def served() -> Iterator[tuple[Route, Route | Action]]:
    """Every route there is, by its actions if it has any."""
    for route in ROUTES:
        for target in route.actions or (route,):
            yield route, target


def key_of(route: Route, target: Route | Action) -> tuple[str, str | None]:
    """As `Row.key`; an action under its name since 2.7."""
    name = target.name.removeprefix("os-") if isinstance(target, Action) else None
    return f"{route.method} {route.path}", name


def names_a_thing(body: Body | None) -> bool:
    """Whether the body has the ID of one of these things in it."""
    return body is not None and any(key.name in IDS for key in body.keys)


def test_every_verb_has_its_rows() -> None:
    """A new route, action, or ID in a body fails this until the file says who may do it."""
    rows = read()
    known = {row.key for row in rows}
    ours = [item for item in served() if item[0].path.split("/")[1] in RESOURCES]
    assert {key_of(*item) for item in ours} <= known
    assert known <= {key_of(*item) for item in served()}
    by_body = {key_of(*item) for item in served() if names_a_thing(item[1].body)}
    assert by_body <= {row.key for row in rows if row.id == "body"}
    by_query = {f"GET {path}" for path in LISTS}
    assert by_query <= {row.verb for row in rows if row.id == "query" and row.finds}


def test_what_has_a_share_network_in_its_path_is_tried_on_a_public_one() -> None:
    """Private and public are two rows for each of them."""
    rows = read()
    tried = {
        (row.key, things)
        for row in rows
        for things in row.params.values()
        if things in {"private", "used", "joined", "open"}
    }
    for route, target in served():
        parts = route.path.split("/")
        if parts[1:2] == ["share-networks"] and "{" in route.path:
            key = key_of(route, target)
            assert (key, "open") in tried, f"{key}: say who may do it on a public share network"
            private = {(key, name) for name in ("private", "used", "joined")}
            assert private & tried, f"{key}: and on a private one"


def test_every_row_has_every_caller() -> None:
    """No caller is left out."""
    for row in read():
        assert len(row.answers.split()) == len(CALLERS), row
        assert not row.finds or len(row.found.split()) == len(CALLERS), row


POLICY = Policy(RULES)


@dataclass(frozen=True, slots=True)
class Scene:
    """A database with the scene in it, and the names of what is there."""

    db: Database
    kept: Kept
    names: dict[str, str]

    def client(self) -> Client:
        """An API on the scene as it was."""
        self.kept.restore()
        return Client(self.db, make_app(self.db, ApiSettings(), ByName(), POLICY))


@pytest.fixture(scope="module")
def scene(databases: Databases) -> Iterator[Scene]:
    """Made once."""
    with databases.one() as url, closing(Database(url)) as db:
        if db.is_sqlite:
            without_sync(db)
        db.create_schema()
        names = roles.scene(db) | audits.looked(db)
        yield Scene(db, Kept(db), names)


def filled(value: Any, names: dict[str, str]) -> Any:
    """The value with every ${name} replaced."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda name: names[name[1]], value)
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    return value


def listed(answer: Any) -> set[str]:
    """IDs of what a list has."""
    (items,) = [value for value in answer.json.values() if isinstance(value, list)]
    return {item["id"] for item in items}


@pytest.mark.parametrize("row", read(), ids=lambda row: f"{row.verb} {row.params or row.query}")
def test_row(row: Row, scene: Scene) -> None:
    """Each caller gets what the file says, and finds what it says."""
    names = scene.names
    method, path = row.verb.split()
    path = path.format(**{name: names.get(thing, thing) for name, thing in row.params.items()})
    url = f"/v2{path}?{filled(row.query, names)}"
    codes, found = [], []
    client = scene.client()
    for caller in CALLERS:
        answer = client.call(
            caller, method, url, version=row.version or VERSION, body=filled(row.body, names)
        )
        codes.append(str(answer.status_code))
        shown = answer.status_code == 200 and row.finds is not None
        found.append(str(int(names[str(row.finds)] in listed(answer))) if shown else "-")
        if method != "GET" and answer.status_code < 300:
            client = scene.client()
    assert " ".join(codes) == row.answers
    assert row.finds is None or " ".join(found) == row.found
