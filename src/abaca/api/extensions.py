"""API extensions: there are none, everything is in the microversions; old clients ask."""

from __future__ import annotations

from typing import Any, NoReturn

from abaca.api.policy import ANYONE, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.errors import NotFound


def index(_: Request) -> dict[str, Any]:
    """No extensions."""
    return {"extensions": []}


def show(request: Request) -> NoReturn:
    """No extension of this name."""
    raise NotFound(f"Extension {request.params['alias']} could not be found.")


RULES = (Rule("extensions:index", ANYONE, "List API extensions."),)

ROUTES = (
    Route("GET", "/extensions", index, "extensions:index"),
    Route("GET", "/extensions/{alias}", show, "extensions:index"),
)
