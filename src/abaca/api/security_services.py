"""Security services: there are none, since no backend joins a domain; clients ask for them.

``openstack share network show`` lists those of the network each time.
"""

from __future__ import annotations

from typing import Any, NoReturn

from abaca.api.policy import READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.errors import NotFound


def index(_: Request) -> dict[str, Any]:
    """No security services."""
    return {"security_services": []}


def show(request: Request) -> NoReturn:
    """No security service of this ID."""
    raise NotFound(f"Security service {request.params['id']} could not be found.")


RULES = (Rule("security_service:index", READER, "List security services."),)

ROUTES = (
    Route("GET", "/security-services", index, "security_service:index"),
    Route("GET", "/security-services/detail", index, "security_service:index"),
    Route("GET", "/security-services/{id}", show, "security_service:index"),
)
