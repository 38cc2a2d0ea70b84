"""What lists of shares and snapshots have in common in their queries."""

from __future__ import annotations

import ast
from dataclasses import replace

from abaca.api.paging import page
from abaca.api.request import Request
from abaca.context import Version
from abaca.errors import BadRequest, Forbidden
from abaca.model.page import Page


def asked_page(request: Request, *, count_since: Version | None = None) -> Page:
    """The page, newest first unless asked otherwise; ``with_count`` from that version on."""
    asked = page(request, descending=True)
    counted = asked.with_count and count_since is not None and request.version >= count_since
    return replace(asked, with_count=counted)


def listed_project(request: Request) -> str | None:
    """Whose things the list is of; None: every project's (administrators)."""
    asked = request.query.get("project_id")
    if asked and asked != request.ctx.project_id:
        if not request.ctx.is_admin:
            raise Forbidden("Only an administrator lists what belongs to another project.")
        return asked
    return request.list_scope


def literal_filter(request: Request, name: str) -> dict[str, str]:
    """A filter written ``{'key': 'value'}``, as clients send it."""
    said = request.query.get(name)
    if not said:
        return {}
    try:
        given = ast.literal_eval(said)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        given = None
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise BadRequest(f"{name}={said!r}: give {{'key': 'value'}}.")
    return {key: str(value) for key, value in given.items()}
