"""No list asks the database once per item: as many statements for 100 rows as for 10."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import event

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import ROUTES, RULES
from abaca.api.routing import Route
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from api.conftest import ByName, Client
from api.setups.many import everything
from support.databases import Databases

FEW, MANY = 10, 100

IDS: dict[str, dict[str, str]] = {
    "/share-access-rules": {"access_id": "rule"},
    "/messages": {"id": "message"},
    "/orphans": {"id": "finding"},
    "/security-services": {"id": "service"},
    "/shares": {"location_id": "location", "share_id": "share"},
    "/share_instances": {"id": "instance", "instance_id": "instance", "location_id": "location"},
    "/share-networks": {"network_id": "network", "id": "network"},
    "/share-servers": {"id": "server"},
    "/share-transfers": {"id": "transfer"},
    "/types": {"share_type_id": "type"},
    "/snapshot-instances": {"instance_id": "snapshot_instance"},
    "/snapshots": {"snapshot_id": "snapshot"},
}
"""By the path's first part: what its parameters stand for, where it is not their own name."""

SPECIAL = {
    "/extensions/{alias}": None,
    "/share-networks/{network_id}/subnets/{id}": {"id": "subnet"},
    "/share-networks/{network_id}/subnets/{id}/metadata": {"id": "subnet"},
    "/share-networks/{network_id}/subnets/{id}/metadata/{key}": {"id": "subnet"},
    "/types/{share_type_id}/extra_specs/{key}": {"key": "spec"},
    "/types/{share_type_id}/os-share-type-access": {"share_type_id": "private"},
    "/types/{share_type_id}/share_type_access": {"share_type_id": "private"},
}
"""Paths whose parameters stand for something else; None: nothing of it is in the database."""

ONE = {
    "/availability-zones",
    "/extensions",
    "/limits",
    "/os-availability-zone",
    "/quota-sets/{project}/defaults",
    "/quota-sets/{project}/detail",
    "/os-quota-sets/{project}/defaults",
    "/share-networks/default",
    "/shares/{share_id}/instances",
    "/snapshot-instances/{instance_id}/export-locations",
    "/snapshots/{snapshot_id}/access-list",
    "/snapshots/{snapshot_id}/export-locations",
    "/types/default",
}
"""What shows one thing, or does not grow with what this test makes."""


def reads() -> list[Route]:
    """Every GET that asks the database for something."""
    return [route for route in ROUTES if route.method == "GET" and SPECIAL.get(route.path, 1)]


@pytest.fixture(scope="module")
def worlds(databases: Databases) -> Iterator[dict[int, Any]]:
    """An API with few rows, and one with many: client and IDs."""
    made: dict[int, Any] = {}
    with ExitStack() as stack:
        for count in (FEW, MANY):
            db = stack.enter_context(closing(Database(stack.enter_context(databases.one()))))
            db.create_schema()
            names = everything(db, count)
            settings = ApiSettings(default_share_type="type-0")
            made[count] = (Client(db, make_app(db, settings, ByName(), Policy(RULES))), names)
        yield made


def counted(client: Client, call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """The answer, and the statements that it took."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        seen.append(text)

    event.listen(client.db.engine, "before_cursor_execute", note)
    try:
        return call(), seen
    finally:
        event.remove(client.db.engine, "before_cursor_execute", note)


def path_of(route: Route, names: dict[str, str]) -> str:
    """The path with IDs of things that are there."""
    known = IDS.get("/" + route.path.split("/")[1], {}) | (SPECIAL.get(route.path) or {})
    parts = [
        names[known.get(part[1:-1], part[1:-1])] if part.startswith("{") else part
        for part in route.path.split("/")
    ]
    return "/v2" + "/".join(parts)


def longest(body: Any) -> int:
    """How many items the longest list or mapping of the answer has."""
    if isinstance(body, dict):
        return max([len(body), *map(longest, body.values())], default=0)
    if isinstance(body, list):
        return max([len(body), *map(longest, body)], default=0)
    return 0


@dataclass(frozen=True)
class Read:
    """What one GET took, and gave."""

    status: int
    statements: list[str]
    size: int


def read(client: Client, names: dict[str, str], route: Route, who: str) -> Read:
    """Ask twice, and tell of the second time: what is asked once for all is known by then."""
    query = {"all_tenants": "1"} if who == "admin" else {}
    if route.path == "/share-access-rules":
        query["share_id"] = names["share"]
    path = f"{path_of(route, names)}?{urlencode(query)}"
    headers = {"X-OpenStack-Manila-API-Experimental": "true"}

    def ask() -> Any:
        return client.call(who, "GET", path, version=str(route.until), headers=headers)

    ask()
    answer, statements = counted(client, ask)
    return Read(answer.status_code, statements, longest(answer.json))


@pytest.mark.parametrize("route", reads(), ids=lambda route: route.path)
def test_as_many_statements_for_many_as_for_few(route: Route, worlds: dict[int, Any]) -> None:
    """The count of statements is the same, for each who may ask; a list shows all its rows."""
    for who in ("admin", "mona"):
        few, many = (read(*worlds[count], route, who) for count in (FEW, MANY))
        assert many.status == few.status
        # Some are administrators' only.
        assert few.status == (200 if who == "admin" else few.status)
        assert few.status in {200, 403}
        assert len(many.statements) == len(few.statements), (few.statements, many.statements)
        if few.status == 200 and not route.path.endswith("}") and route.path not in ONE:
            assert few.statements
            assert many.size >= MANY > few.size
