"""Availability zones: the failure domains that the backends name."""

from __future__ import annotations

from typing import Any

from abaca.api.fields import Field, View
from abaca.api.microversion import V
from abaca.api.policy import ANYONE, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import availability_zones as db
from abaca.model.page import Slice
from abaca.model.pool import AvailabilityZone

VIEW: View[AvailabilityZone] = View(
    "availability_zone",
    "availability_zones",
    (
        Field("id", lambda zone: zone.id),
        Field("name", lambda zone: zone.name),
        Field("created_at", lambda zone: zone.created_at),
        Field("updated_at", lambda zone: zone.updated_at),
    ),
)


def index(request: Request) -> dict[str, Any]:
    """Every zone."""
    with request.db.read() as tx:
        zones = db.list_all(tx)
    return VIEW.many(request, Slice(items=zones, more=False, count=None))


RULES = (Rule("availability_zone:index", ANYONE, "List availability zones."),)

ROUTES = (
    Route("GET", "/os-availability-zone", index, "availability_zone:index", until=V(2, 6)),
    Route("GET", "/availability-zones", index, "availability_zone:index", since=V(2, 7)),
)
