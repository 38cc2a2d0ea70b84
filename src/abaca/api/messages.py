"""User messages, since 2.37: what a project is told about accepted work that failed."""

from __future__ import annotations

from typing import Any

from abaca.api.fields import Field, View
from abaca.api.microversion import V
from abaca.api.paging import page
from abaca.api.policy import MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.api.times import moment
from abaca.db import messages as db
from abaca.db.messages import MessageQuery
from abaca.errors import NotFound
from abaca.model.message import Message

SINCE = V(2, 37)
BY_TIME = V(2, 52)

VIEW: View[Message] = View(
    "message",
    "messages",
    (
        Field("id", lambda item: item.id),
        Field("project_id", lambda item: item.project_id),
        Field("request_id", lambda item: item.request_id),
        Field("resource_type", lambda item: item.resource_type),
        Field("resource_id", lambda item: item.resource_id),
        Field("action_id", lambda item: item.action_id),
        Field("detail_id", lambda item: item.detail_id),
        Field("message_level", lambda item: item.message_level),
        Field("user_message", lambda item: item.user_message),
        Field("created_at", lambda item: item.created_at),
        Field("expires_at", lambda item: item.expires_at),
    ),
    project=lambda item: item.project_id,
    link="/messages/{}",
)


def index(request: Request) -> dict[str, Any]:
    """The project's messages, newest first."""
    query = request.query
    by_time = request.version >= BY_TIME
    wanted = MessageQuery(
        project_id=request.list_scope,
        equal={name: query[name] for name in db.FILTERS if name in query},
        created_since=moment(request, "created_since") if by_time else None,
        created_before=moment(request, "created_before") if by_time else None,
    )
    with request.db.read() as tx:
        found = db.find(tx, wanted, page(request, descending=True))
    return VIEW.many(request, found)


def show(request: Request) -> dict[str, Any]:
    """One message."""
    with request.db.read() as tx:
        found = db.get(tx, request.params["id"], request.scope)
    if found is None:
        raise NotFound(f"Message {request.params['id']} could not be found.")
    return VIEW.one(request, found)


def delete(request: Request) -> None:
    """Forget a message."""
    with request.db.write() as tx:
        found = db.get(tx, request.params["id"], request.scope)
        if found is None:
            raise NotFound(f"Message {request.params['id']} could not be found.")
        db.remove(tx, found.id)


RULES = (
    Rule("message:get_all", READER, "List the project's user messages."),
    Rule("message:get", READER, "See one of the project's user messages."),
    Rule("message:delete", MEMBER, "Delete the project's user messages."),
)

ROUTES = (
    Route("GET", "/messages", index, "message:get_all", since=SINCE),
    Route("GET", "/messages/{id}", show, "message:get", since=SINCE),
    Route("DELETE", "/messages/{id}", delete, "message:delete", 204, since=SINCE),
)
