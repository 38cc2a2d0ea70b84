"""Paging as requests ask for it, and the link to the next page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from abaca.api.request import Request
from abaca.errors import BadRequest
from abaca.model.page import Page


def page(
    request: Request,
    *,
    sort: str = "created_at",
    descending: bool = False,
    aliases: Mapping[str, str] | None = None,
) -> Page:
    """What ``limit, offset, marker, sort_key, sort_dir, with_count`` of the query say.

    ``sort`` and ``descending`` hold where the query is silent. ``aliases``
    maps sort keys as clients spell them to those of the query file.
    """
    query = request.query
    limit = _not_negative(request, "limit")
    direction = query.get("sort_dir", "desc" if descending else "asc").lower()
    if direction not in {"asc", "desc"}:
        raise BadRequest(f"sort_dir={direction!r}: give asc or desc.")
    key = query.get("sort_key", sort)
    return Page(
        limit=min(limit or request.settings.max_limit, request.settings.max_limit),
        offset=_not_negative(request, "offset"),
        marker=query.get("marker") or None,
        sort_key=(aliases or {}).get(key, key),
        descending=direction == "desc",
        with_count=query.boolean("with_count"),
    )


def _not_negative(request: Request, name: str) -> int:
    number = request.query.integer(name) or 0
    if number < 0:
        raise BadRequest(f"{name}={number}: give a number that is not negative.")
    return number


def next_link(request: Request, last_id: str) -> list[dict[str, str]]:
    """The link to the page after the item of this ID."""
    values = {k: v for k, v in request.query.items() if k not in {"marker", "offset"}}
    values["marker"] = last_id
    return [{"rel": "next", "href": f"{request.base_url}{request.path}?{urlencode(values)}"}]
