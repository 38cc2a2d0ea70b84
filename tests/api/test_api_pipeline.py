"""What happens to a request on its way, whatever it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import falcon.testing
import pytest
from sqlalchemy import insert, text
from structlog.testing import capture_logs

from abaca.api.app import ATTEMPTS, PATIENT_ATTEMPTS, make_app
from abaca.api.auth.none import NoAuth
from abaca.api.bodies import Body, Key, boolean, integer, string_map
from abaca.api.fields import Field, Hidden, View, stamp
from abaca.api.microversion import MIN, V
from abaca.api.paging import page
from abaca.api.policy import ADMIN, MEMBER, Policy, Rule
from abaca.api.request import Request, Response
from abaca.api.routing import Handler, Route, action
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.db.tables import availability_zones as zones
from abaca.db.tables import now
from abaca.errors import (
    BadRequest,
    ConfigError,
    DatabaseFault,
    DatabaseUnavailable,
    OverLimit,
    RowRefused,
    StorageFull,
    TooManyRequests,
    TransactionRefused,
)
from abaca.model.page import Slice
from support.databases import Databases

RULES = (
    Rule("thing:see", MEMBER, "See a thing."),
    Rule("thing:see_secret", ADMIN, "See what a thing hides."),
)


def api(
    db: Database, handler: Handler, settings: ApiSettings | None = None, **route: Any
) -> falcon.testing.TestClient:
    """An API with one route, ``/things``, for a member of ``red``."""
    routes = (Route("POST", "/things", handler, "thing:see", **route),)
    caller = NoAuth(project_id="red", user_id="alice")
    app = make_app(db, settings or ApiSettings(), caller, Policy(RULES), routes)
    return falcon.testing.TestClient(app)


def fails(error: Exception) -> Handler:
    """A handler that raises this."""

    def handler(_: Request) -> None:
        raise error

    return handler


def test_no_json_is_told_so(db: Database) -> None:
    """A body that is no JSON, or no UTF-8, or too long, is 400 in the API's form."""
    client = api(db, lambda _: None, ApiSettings(max_body_bytes=20))
    for body in (b"{", b'{"a": \xff}', b'"%s"' % (b"x" * 30)):
        result = client.simulate_post("/v2/things", body=body)
        assert result.status_code == 400
        assert result.json["badRequest"]["code"] == 400


def test_what_not_every_database_can_store(db: Database) -> None:
    """A NUL, a number or a nesting without end are the caller's fault, on any database."""
    client = api(db, lambda r: {"seen": r.query.integer("number")})
    bodies = (b'{"name": "a\\u0000b"}', b'{"a": [{"b\\u0000": 1}]}')
    for raw in bodies:
        result = client.simulate_post("/v2/things", body=raw)
        assert "NUL" in result.json["badRequest"]["message"]
    for query in ("name=%00", "%00=1", f"number={2**31}", f"number=-{2**31}"):
        result = client.simulate_post("/v2/things", query_string=query)
        assert result.status_code == 400, query
    assert client.simulate_post("/v2/things%00").status_code == 400
    for raw in (b"[" * 50_000, b"[" * 300 + b'"\\u0000"' + b"]" * 300):
        assert client.simulate_post("/v2/things", body=raw).status_code == 400
    most = client.simulate_post("/v2/things", query_string=f"number={2**31 - 1}")
    assert most.json == {"seen": 2**31 - 1}
    text = client.simulate_post("/v2/things", body=b'{"name": "a\\\\u0000b"}')
    assert text.status_code == 200, "a backslash and letters are text"


@pytest.mark.parametrize(
    ("error", "status", "kind", "retry_after"),
    [
        (BadRequest("no"), 400, "badRequest", None),
        (OverLimit("full"), 413, "overLimit", "0"),
        (TooManyRequests("slow", retry_after=7), 429, "overLimit", "7"),
        (DatabaseUnavailable("gone"), 503, "serviceUnavailable", "2"),
    ],
)
def test_errors_have_the_api_form(
    db: Database, error: Exception, status: int, kind: str, retry_after: str | None
) -> None:
    """Each error of the tree is its kind, code and message; some say when to come back."""
    result = api(db, fails(error)).simulate_post("/v2/things")
    assert result.status_code == status
    assert result.json[kind]["code"] == status
    assert result.headers.get("Retry-After") == retry_after


def test_faults_of_ours_are_not_told(db: Database) -> None:
    """Neither a crash nor an error meant for administrators reaches the caller in its words."""
    for error in (
        RuntimeError("password=hunter2"),
        DatabaseFault("INSERT INTO users hunter2"),
        StorageFull("/srv/images has 3 bytes"),
    ):
        result = api(db, fails(error)).simulate_post("/v2/things")
        assert result.status_code == 500
        assert "hunter2" not in result.text
        assert "/srv" not in result.text
    for error in (RuntimeError("x"), DatabaseFault("x")):
        result = api(db, fails(error)).simulate_post("/v2/things")
        told = result.json["computeFault"]["message"]
        assert result.headers["X-OpenStack-Request-ID"] in told
        assert re.search(r"req-[0-9a-f-]{36}", told)


@pytest.mark.parametrize("losses", [0, 1, ATTEMPTS - 1, ATTEMPTS])
@pytest.mark.parametrize(("kind", "status"), [(DatabaseUnavailable, 503), (RowRefused, 500)])
def test_lost_transactions_are_tried_again(
    db: Database, losses: int, kind: type[Exception], status: int
) -> None:
    """Up to three attempts; then the caller is asked to come back, or it was no race."""
    calls: list[int] = []

    def handler(_: Request) -> dict[str, int]:
        calls.append(1)
        if len(calls) <= losses:
            raise kind("lost")
        return {"calls": len(calls)}

    result = api(db, handler).simulate_post("/v2/things")
    assert result.status_code == (status if losses == ATTEMPTS else 200)
    assert len(calls) == min(losses + 1, ATTEMPTS)


def test_whoever_was_in_the_way_is_soon_gone(db: Database) -> None:
    """Refused for another transaction's sake it is tried more often, and not for ever."""
    calls: list[int] = []

    def handler(_: Request) -> None:
        calls.append(1)
        raise TransactionRefused("deadlock")

    assert api(db, handler).simulate_post("/v2/things").status_code == 503
    assert len(calls) == PATIENT_ATTEMPTS > ATTEMPTS


def test_what_may_be_done_is_not_done_again(databases: Databases) -> None:
    """The connection ends in the commit: the caller is told that nobody knows, and to look."""
    calls: list[int] = []
    with databases.one("postgresql") as url, closing(Database(url)) as db:

        def handler(request: Request) -> None:
            calls.append(1)
            with request.db.write() as tx:
                name = f"z{len(calls)}"
                tx.execute(insert(zones).values(id=name, name=name, created_at=now()))
                mine = tx.scalar(text("SELECT pg_backend_pid()"))
                with db.read() as other:
                    other.scalar(text("SELECT pg_terminate_backend(:mine, 5000)"), {"mine": mine})

        result = api(db, handler).simulate_post("/v2/things")
    assert result.status_code == 503
    assert "look before asking again" in result.json["serviceUnavailable"]["message"]
    assert calls == [1]


def test_experimental_routes_need_their_header(db: Database) -> None:
    """Without it they are not there."""
    client = api(db, lambda _: {"done": True}, experimental=True)
    assert client.simulate_post("/v2/things").status_code == 404
    headers = {"X-OpenStack-Manila-API-Experimental": "True"}
    assert client.simulate_post("/v2/things", headers=headers).status_code == 200


def test_a_handler_chooses_status_and_headers(db: Database) -> None:
    """A Response wins over the route's status."""
    answer = Response(body={"a": 1}, status=207, headers={"X-Thing": "y"})
    result = api(db, lambda _: answer, status=202).simulate_post("/v2/things")
    assert (result.status_code, result.headers["X-Thing"]) == (207, "y")
    assert api(db, lambda _: None, status=202).simulate_post("/v2/things").status_code == 202


def test_actions_have_their_names_by_version(db: Database) -> None:
    """``os-extend`` until 2.6, ``extend`` always; unknown ones and odd bodies are 400.

    openstacksdk sends ``extend`` without a version, which is 2.0.
    """
    body = Body(None, (Key(name="size", check=integer(least=1), required=True),))
    actions = action("extend", lambda r: {"size": r.body["size"]}, None, body=body)
    routes = (Route("POST", "/things/{id}/action", None, None, actions=actions),)
    app = make_app(db, ApiSettings(), NoAuth(project_id="red"), Policy(RULES), routes)
    client = falcon.testing.TestClient(app)

    def act(version: str, json: object) -> int:
        headers = {"X-OpenStack-Manila-API-Version": version}
        return client.simulate_post("/v2/things/1/action", headers=headers, json=json).status_code

    assert act("2.6", {"os-extend": {"size": 2}}) == 202
    assert act("2.7", {"os-extend": {"size": 2}}) == 404
    assert act("2.0", {"extend": {"size": 2}}) == 202
    assert act("2.7", {"extend": {"size": "2"}}) == 202
    assert act("2.7", {"extend": {"size": 0}}) == 400
    assert act("2.7", {"extend": None}) == 400
    assert act("2.7", {"shrink": {}}) == 400
    assert act("2.7", {"extend": {}, "shrink": {}}) == 400
    assert act("2.7", []) == 400


def test_links_are_as_the_client_called(db: Database) -> None:
    """The Host header, unless configured; forwarded headers count only from a trusted proxy."""
    headers = {"Host": "nas:8786", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "public"}

    def base(settings: ApiSettings) -> str:
        client = api(db, lambda r: {"base": r.base_url}, settings)
        return str(client.simulate_post("/v2/things", headers=headers).json["base"])

    assert base(ApiSettings()) == "http://nas:8786"
    assert base(ApiSettings(trusted_proxy=frozenset({"127.0.0.1"}))) == "https://public"
    assert base(ApiSettings(public_endpoint="https://s.example/")) == "https://s.example"


def served(db: Database, look: Callable[[Request], object], query: str = "") -> Any:
    """What the function makes of a request with this query."""
    seen: list[object] = []

    def handler(request: Request) -> None:
        seen.append(look(request))

    result = api(db, handler).simulate_post("/v2/things", query_string=query)
    return seen[0] if seen else result


def test_paging_is_read_and_bounded(db: Database) -> None:
    """Limits, order and flags; what can't be is 400."""
    found = served(db, page, "limit=5000&offset=3&sort_key=name&sort_dir=DESC&with_count=true")
    assert (found.limit, found.offset, found.sort_key) == (1000, 3, "name")
    assert (found.descending, found.with_count, found.marker) == (True, True, None)
    for wrong in ("limit=-1", "offset=x", "sort_dir=up", "with_count=perhaps"):
        assert served(db, page, wrong).status_code == 400, wrong


def test_views_show_by_version_and_role(db: Database) -> None:
    """A field is there in its versions; what policy hides keeps its key, or loses it."""
    moment = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
    view: View[dict[str, Any]] = View(
        "thing",
        "things",
        (
            Field("id", lambda t: t["id"], in_summary=True),
            Field("old", lambda _: 1, until=V(2, 6)),
            Field("new", lambda _: 1, since=V(2, 7)),
            Field("when", lambda _: moment),
            Field("secret", lambda _: "s", rule="thing:see_secret"),
            Field("gone", lambda _: "s", rule="thing:see_secret", hidden=Hidden.ABSENT),
        ),
        id=lambda t: t["id"],
        link="/things/{}",
    )
    shown = served(db, lambda r: view.one(r, {"id": "7"}))["thing"]
    links = shown.pop("links")
    assert [link["href"].partition("falconframework.org")[2] for link in links] == [
        "/v2/red/things/7",
        "/red/things/7",
    ]
    assert shown == {"id": "7", "old": 1, "when": "2026-01-02T15:04:05.000000", "secret": None}
    found = Slice(items=({"id": "7"},), more=True, count=9)
    listed = served(db, lambda r: view.many(r, found, summary=True), "limit=1&marker=3&offset=2")
    assert listed["count"] == 9
    assert set(listed["things"][0]) == {"id", "links"}
    assert listed["things_links"][0]["href"].endswith("/v2/things?limit=1&marker=7")


def test_a_list_hides_by_whose_a_thing_is(db: Database) -> None:
    """Things of several projects in one list: each shows what the caller may see of it."""
    view: View[dict[str, str]] = View(
        "thing",
        "things",
        (
            Field("secret", lambda t: t["is"], rule="thing:see"),
            Field("gone", lambda t: t["is"], rule="thing:see", hidden=Hidden.ABSENT),
        ),
        project=lambda t: t["of"],
    )
    items = tuple({"of": of, "is": of} for of in ("red", "blue", "red"))
    listed = served(db, lambda r: view.many(r, Slice(items=items, more=False, count=None)))
    own = {"secret": "red", "gone": "red"}
    assert listed["things"] == [own, {"secret": None}, own]


def test_time_has_no_zone() -> None:
    """Microseconds even where they are zero, UTC, no zone."""
    assert stamp(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000000"
    assert stamp(None) is None


def test_bodies_say_what_is_wrong() -> None:
    """Key, value and what to give; a key of another version is passed over, or refused."""
    keys = (
        Key(name="size", check=integer(least=1), required=True),
        Key(name="flag", check=boolean(), since=V(2, 8), into="is_flag"),
        Key(name="metadata", check=string_map()),
    )
    body, strict = Body("thing", keys), Body("thing", keys, strict=True)
    assert body.parse({"thing": {"size": "3", "flag": "yes"}}, MIN) == {"size": 3}
    given = {"thing": {"size": 3, "flag": "yes", "metadata": None, "other": 1}}
    assert body.parse(given, V(2, 8)) == {"size": 3, "is_flag": True, "metadata": None}
    with pytest.raises(BadRequest, match=r"thing\.flag is not known at version 2\.0"):
        strict.parse({"thing": {"size": 3, "flag": True}}, MIN)
    with pytest.raises(BadRequest, match=r"thing\.size is missing"):
        body.parse({"thing": {}}, MIN)
    with pytest.raises(BadRequest, match=r"size=0: give a whole number of at least 1"):
        body.parse({"thing": {"size": 0}}, MIN)
    for wrong in (True, 1.5, "x", [], None):
        with pytest.raises(BadRequest, match="size"):
            body.parse({"thing": {"size": wrong}}, MIN)
    for raw in (None, [], {}, {"thing": None}, {"thing": []}):
        with pytest.raises(BadRequest, match="thing"):
            body.parse(raw, MIN)
    for wrong in ({"": "v"}, {"k": 1}, {"k": ""}, {"k" * 256: "v"}, []):
        with pytest.raises(BadRequest, match="metadata"):
            body.parse({"thing": {"size": 1, "metadata": wrong}}, MIN)


def test_policy_can_be_overridden(db: Database, tmp_path: Any) -> None:
    """An operator's file wins over the defaults; a wrong one is a configuration fault."""
    file = tmp_path / "policy.yaml"
    file.write_text('"thing:see": "role:admin"\n"no:such": "@"\n')
    policy = Policy(RULES, file=str(file))
    assert policy.unknown == ("no:such",)
    routes = (Route("POST", "/things", lambda _: None, "thing:see"),)
    app = make_app(db, ApiSettings(), NoAuth(project_id="red"), policy, routes)
    result = falcon.testing.TestClient(app).simulate_post("/v2/things")
    assert result.status_code == 403
    assert "thing:see" in result.json["forbidden"]["message"]
    file.write_text('"thing:see": [\n')
    with pytest.raises(ConfigError, match="policy file"):
        Policy(RULES, file=str(file))
    with pytest.raises(ConfigError, match="no such file"):
        Policy(RULES, file=str(tmp_path / "absent"))


def test_policy_may_look_at_more_than_roles(db: Database, tmp_path: Any) -> None:
    """A rule on the user is decided for each user, not remembered from another."""
    file = tmp_path / "policy.yaml"
    file.write_text('"thing:see": "user_id:alice"\n')
    policy = Policy(RULES, file=str(file))
    routes = (Route("POST", "/things", lambda _: None, "thing:see"),)
    for user, status in (("alice", 200), ("bob", 403), ("alice", 200)):
        app = make_app(db, ApiSettings(), NoAuth(project_id="red", user_id=user), policy, routes)
        assert falcon.testing.TestClient(app).simulate_post("/v2/things").status_code == status


def test_nobody_is_administrator_by_default(db: Database) -> None:
    """Without authentication the caller is a member, unless another role is configured."""
    seen = []
    for options in ({}, {"role": "admin"}):
        routes = (Route("POST", "/things", lambda r: {"admin": r.ctx.is_admin}, None),)
        caller = NoAuth(project_id="red", **options)
        app = make_app(db, ApiSettings(), caller, Policy(RULES), routes)
        seen.append(falcon.testing.TestClient(app).simulate_post("/v2/things").json["admin"])
    assert seen == [False, True]


@contextmanager
def renamed(db: Database, table: str, name: str) -> Iterator[None]:
    """A table that is missing for a while; the database is also of the tests that follow."""
    _rename(db, table, name)
    try:
        yield
    finally:
        _rename(db, name, table)


def _rename(db: Database, before: str, after: str) -> None:
    with db.write() as tx:
        tx.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))


def test_a_schema_that_was_not_upgraded(client: Any) -> None:
    """503 at the first try; what to do is in the log, and not for the caller."""
    with renamed(client.db, "messages", "elsewhere"), capture_logs() as logs:
        answer = client.call("alice", "GET", "/v2/messages", version="2.37")
    assert answer.status_code == 503
    assert "messages" not in answer.text
    assert "abaca db" not in answer.text
    told = [item for item in logs if "abaca db upgrade" in str(item)]
    assert [item["event"] for item in told] == ["request.failed"]
