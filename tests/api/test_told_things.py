"""Things that come as texts: what was made of a text is not made again, and is never another's."""

from __future__ import annotations

from typing import Any, NamedTuple

import falcon.testing
import pytest

from abaca.api.app import make_app
from abaca.api.auth.none import NoAuth
from abaca.api.fields import LONGEST, Always, Field, Hidden, View
from abaca.api.microversion import OWN_HEADER, V
from abaca.api.policy import MEMBER, Policy, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.model.page import Slice


class Told(NamedTuple):
    """A thing as a text."""

    text: str
    of: str = "red"


class World:
    """An API with one list, for a member of ``red``; and what was read for it."""

    def __init__(self, db: Database) -> None:
        self.read: list[str] = []
        self._things: tuple[Told, ...] = ()
        self._view: View[Told] = View(
            "thing",
            "things",
            (
                Field("id", lambda t: t["id"]),
                Field("new", Always(1), since=V(2, 7)),
                Field("secret", lambda t: t["id"], rule="thing:see", hidden=Hidden.ABSENT),
            ),
            id=lambda t: t["id"],
            project=lambda t: t.of,
            link="/things/{}",
            read=self._read,
        )
        routes = (Route("GET", "/things", self._list, "thing:see"),)
        policy = Policy((Rule("thing:see", MEMBER, "See a thing."),))
        caller = NoAuth(project_id="red", user_id="alice")
        app = make_app(db, ApiSettings(), caller, policy, routes)
        self._client = falcon.testing.TestClient(app)

    def _read(self, text: str) -> dict[str, str]:
        self.read.append(text[:3])
        return {"id": text[:3]}

    def _list(self, request: Request) -> dict[str, Any]:
        return self._view.many(request, Slice(items=self._things, more=False, count=None))

    def ask(self, *things: Told, version: str = "2.0", host: str = "here") -> list[dict[str, Any]]:
        """The list of these things."""
        self._things = things
        self.read.clear()
        headers = {OWN_HEADER: version}
        result = self._client.simulate_get("/v2/things", headers=headers, host=host)
        found: list[dict[str, Any]] = result.json["things"]
        return found


@pytest.fixture
def world(database_url: str) -> Any:
    """A new one."""
    db = Database(database_url)
    yield World(db)
    db.close()


def test_the_same_text_is_read_once(world: World) -> None:
    """Within an answer, and in later ones; each thing still shows its own."""
    one, two = Told("one"), Told("two")
    first = world.ask(one, two, one)
    assert [thing["id"] for thing in first] == ["one", "two", "one"]
    assert [thing["secret"] for thing in first] == ["one", "two", "one"]
    assert world.read == ["one", "two"]
    assert world.ask(two, one) == [first[1], first[0]]
    assert world.read == []


def test_whoever_sees_it_otherwise_is_shown_another(world: World) -> None:
    """Another text, version, address of the API or right to see: made for each of them."""
    world.ask(Told("one"))
    assert world.ask(Told("own"))[0]["id"] == "own"
    assert "new" not in world.ask(Told("one"))[0]
    assert world.read == []
    assert world.ask(Told("one"), version="2.7")[0]["new"] == 1
    assert "secret" not in world.ask(Told("one", of="blue"))[0]
    assert world.read == ["one"]
    links = world.ask(Told("one"), host="there")[0]["links"]
    assert [link["href"].partition("//")[2] for link in links] == [
        "there/v2/red/things/one",
        "there/red/things/one",
    ]


def test_long_texts_are_not_kept(world: World) -> None:
    """Else somebody with much metadata would fill the memory."""
    long = Told("big" * LONGEST)
    assert [thing["id"] for thing in world.ask(long, long)] == ["big", "big"]
    assert world.read == ["big", "big"]
