"""Export locations: where a share is mounted from; things of their own since 2.9.

Administrators see them of a share instance too.
"""

from __future__ import annotations

from typing import Any

from abaca.api.fields import Field, Hidden, View
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import export_locations, share_instances
from abaca.errors import NotFound
from abaca.model.page import Slice
from abaca.model.share import ExportLocation, Share
from abaca.share import shares

SEE_HIDDEN = "share_export_location:see_hidden"

VIEW: View[ExportLocation] = View(
    "export_location",
    "export_locations",
    (
        Field("id", lambda item: item.id, in_summary=True),
        Field("uuid", lambda item: item.id, until=V(2, 13), in_summary=True),
        Field("path", lambda item: item.path, in_summary=True),
        Field("preferred", lambda item: item.preferred, since=V(2, 14), in_summary=True),
        Field(
            "share_instance_id",
            lambda item: item.share_instance_id,
            rule=SEE_HIDDEN,
            hidden=Hidden.ABSENT,
            in_summary=True,
        ),
        Field(
            "is_admin_only",
            lambda item: item.is_admin_only,
            rule=SEE_HIDDEN,
            hidden=Hidden.ABSENT,
            in_summary=True,
        ),
        Field("created_at", lambda item: item.created_at, until=V(2, 13), in_summary=True),
        Field("updated_at", lambda item: item.updated_at, until=V(2, 13), in_summary=True),
        Field("created_at", lambda item: item.created_at, since=V(2, 14)),
        Field("updated_at", lambda item: item.updated_at, since=V(2, 14)),
    ),
)


def index(request: Request) -> dict[str, Any]:
    """Every export location of a share that the caller may see."""
    _, found = _found(request)
    return VIEW.many(request, Slice(items=found, more=False, count=None), summary=True)


def show(request: Request) -> dict[str, Any]:
    """One export location of the share."""
    share, found = _found(request)
    wanted = request.params["location_id"]
    for location in found:
        if location.id == wanted:
            return VIEW.one(request, location)
    raise NotFound(f"Export location {wanted} could not be found on share {share.id}.")


def instance_index(request: Request) -> dict[str, Any]:
    """Every export location of a share instance."""
    found = _of_instance(request)
    return VIEW.many(request, Slice(items=found, more=False, count=None), summary=True)


def instance_show(request: Request) -> dict[str, Any]:
    """One export location of the share instance."""
    wanted = request.params["location_id"]
    for location in _of_instance(request):
        if location.id == wanted:
            return VIEW.one(request, location)
    raise NotFound(f"Export location {wanted} could not be found.")


def _of_instance(request: Request) -> tuple[ExportLocation, ...]:
    instance_id = request.params["instance_id"]
    with request.db.read() as tx:
        if share_instances.share_of(tx, instance_id) is None:
            raise NotFound(f"Share instance {instance_id} could not be found.")
        return tuple(export_locations.of_instance(tx, instance_id))


def _found(request: Request) -> tuple[Share, tuple[ExportLocation, ...]]:
    with request.db.read() as tx:
        return shares.locations(
            tx, request.ctx, request.params["share_id"], hidden=request.may(SEE_HIDDEN)
        )


_INSTANCE_INDEX = "share_instance_export_location:index"
_INSTANCE_SHOW = "share_instance_export_location:show"
RULES = (
    Rule("share_export_location:index", READER, "List the export locations of a share."),
    Rule("share_export_location:show", READER, "Show an export location."),
    Rule(_INSTANCE_INDEX, ADMIN, "List the export locations of a share instance."),
    Rule(_INSTANCE_SHOW, ADMIN, "Show an export location of a share instance."),
    Rule(SEE_HIDDEN, ADMIN, "See export locations and fields that are for administrators only."),
)

_SINCE = V(2, 9)
_ALL = "/shares/{share_id}/export_locations"
_ONE = f"{_ALL}/{{location_id}}"
_INSTANCE_ALL = "/share_instances/{instance_id}/export_locations"
_INSTANCE_ONE = f"{_INSTANCE_ALL}/{{location_id}}"
ROUTES = (
    Route("GET", _ALL, index, "share_export_location:index", since=_SINCE),
    Route("GET", _ONE, show, "share_export_location:show", since=_SINCE),
    Route("GET", _INSTANCE_ALL, instance_index, _INSTANCE_INDEX, since=_SINCE),
    Route("GET", _INSTANCE_ONE, instance_show, _INSTANCE_SHOW, since=_SINCE),
)
