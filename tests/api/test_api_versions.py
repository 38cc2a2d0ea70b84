"""Versions and routes as data: the tables hold no gaps, no clashes, no unknown rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from abaca.api import microversion
from abaca.api.microversion import HISTORY, MAX, MIN, V
from abaca.api.policy import Policy
from abaca.api.routes import ROUTES, RULES
from abaca.api.routing import Route, Table
from abaca.errors import BadRequest, NotAcceptable, NotFound


def test_history_has_no_gaps():
    """Each version follows the one before, from 2.0."""
    assert [version for version, _ in HISTORY] == [V(2, minor) for minor in range(len(HISTORY))]
    assert V(2, 0) == MIN
    assert V(2, 78) == MAX


def test_every_version_has_a_description():
    """The published history says something about each, and is what the code says."""
    assert all(text.endswith(".") for _, text in HISTORY)
    written = Path(__file__).parents[2] / "docs" / "api-versions.md"
    assert written.read_text() == microversion.history_document()


@pytest.mark.parametrize(
    ("own", "common", "wanted"),
    [
        (None, None, V(2, 0)),
        ("2.7", None, V(2, 7)),
        (" 2.10 ", None, V(2, 10)),
        ("latest", None, MAX),
        (None, "shared-file-system 2.9", V(2, 9)),
        (None, "compute 2.9", V(2, 0)),
        ("2.3", "shared-file-system 2.9", V(2, 9)),
        ("2.3", "compute 2.9", V(2, 3)),
        (None, "compute 2.1,shared-file-system latest", MAX),
    ],
)
def test_requested_version(own: str | None, common: str | None, wanted: V):
    """Either header chooses; the common one wins where it names this service."""
    assert microversion.requested(own, common) == wanted


@pytest.mark.parametrize("text", ["two", "2", "2.07", "2.1.1", "-2.1", ""])
def test_no_version_is_a_bad_request(text: str):
    """What is no version is told so, and an empty header is no header."""
    if not text:
        assert microversion.requested(text, None) == MIN
        return
    with pytest.raises(BadRequest, match="version"):
        microversion.requested(text, None)


@pytest.mark.parametrize("text", ["2.79", "3.0", "1.0", "2.1000000"])
def test_outside_the_range(text: str):
    """A version that is not served is not acceptable."""
    with pytest.raises(NotAcceptable, match=text):
        microversion.requested(text, None)


def test_routes_are_consistent():
    """No two routes answer one request, and every rule that a route names is registered."""
    table = Table(ROUTES)
    policy = Policy(RULES)
    assert table.roots
    for route in ROUTES:
        assert MIN <= route.since <= route.until <= MAX, route.path
        assert (route.handler is None) == bool(route.actions), route.path
        for target in (route, *route.actions):
            assert target.policy is None or policy.knows(target.policy), route.path
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.description.endswith(".") for rule in RULES)


def _route(method: str, path: str, since: tuple[int, int], until: tuple[int, int]) -> Route:
    return Route(method, path, lambda _: path, None, since=V(*since), until=V(*until))


def test_clashing_routes_are_refused():
    """Two routes for one method, path and version are a fault of the table."""
    with pytest.raises(ValueError, match="two routes"):
        Table([_route("GET", "/a/{x}", (2, 0), (2, 7)), _route("GET", "/a/{y}", (2, 7), (2, 9))])


def test_literal_paths_win_and_backtrack():
    """A literal part wins over a parameter, unless only the parameter leads on."""
    detail = _route("GET", "/a/detail", (2, 0), (2, 78))
    one = _route("GET", "/a/{x}", (2, 0), (2, 78))
    below = _route("GET", "/a/{x}/b", (2, 0), (2, 78))
    table = Table([detail, one, below])
    assert table.find("GET", ["a", "detail"], MIN) == (detail, {})
    assert table.find("GET", ["a", "other"], MIN) == (one, {"x": "other"})
    assert table.find("GET", ["a", "detail", "b"], MIN) == (below, {"x": "detail"})
    with pytest.raises(NotFound):
        table.find("POST", ["a", "other"], MIN)
