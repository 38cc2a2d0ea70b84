"""User messages: what a project is told about work that failed after it was accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, select

from abaca.db.database import Tx
from abaca.db.paging import fetch
from abaca.db.tables import messages, new_id, now
from abaca.model.message import ActionId, DetailId, Message, MessageLevel, MessageResource
from abaca.model.page import Page, Slice

KEPT = timedelta(days=30)
FILTERS = (
    "request_id",
    "resource_type",
    "resource_id",
    "action_id",
    "detail_id",
    "message_level",
)
SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": messages.c.id,
    "project_id": messages.c.project_id,
    "request_id": func.coalesce(messages.c.request_id, ""),
    "resource_type": messages.c.resource_type,
    "resource_id": func.coalesce(messages.c.resource_id, ""),
    "action_id": messages.c.action_id,
    "detail_id": messages.c.detail_id,
    "message_level": messages.c.message_level,
    "expires_at": messages.c.expires_at,
    "created_at": messages.c.created_at,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuery:
    """Which messages a list is of."""

    project_id: str | None
    """None: every project's."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values, by name (one of `FILTERS`)."""
    created_since: datetime | None = None
    created_before: datetime | None = None


def add(
    tx: Tx,
    *,
    project_id: str,
    request_id: str | None,
    resource: MessageResource,
    resource_id: str,
    action: ActionId,
    detail: DetailId,
    told: str,
) -> None:
    """Tell the project that an action on its resource failed, and why."""
    stamp = now()
    tx.execute(
        insert(messages).values(
            id=new_id(),
            project_id=project_id,
            request_id=request_id,
            resource_type=str(resource),
            resource_id=resource_id,
            action_id=str(action),
            detail_id=str(detail),
            message_level=str(MessageLevel.ERROR),
            user_message=f"{action.told}: {told}",
            expires_at=stamp + KEPT,
            created_at=stamp,
        )
    )


def told_since(tx: Tx, project_id: str, resource_id: str, since: datetime) -> bool:
    """True if the project was told about this resource since then, and has not deleted it.

    A public share network is several projects' resource: what one is told the others don't know.
    """
    found = select(messages.c.id).where(
        messages.c.project_id == project_id,
        messages.c.resource_id == resource_id,
        messages.c.created_at >= since,
    )
    return tx.scalar(found.limit(1)) is not None


def get(tx: Tx, message_id: str, project_id: str | None) -> Message | None:
    """The message, if it is this project's (None: anybody's) and has not expired."""
    return tx.one(Message, _of(project_id).where(messages.c.id == message_id))


def find(tx: Tx, query: MessageQuery, page: Page) -> Slice[Message]:
    """The page of the list."""
    statement = _of(query.project_id)
    for name, value in query.equal.items():
        statement = statement.where(messages.c[name] == value)
    if query.created_since is not None:
        statement = statement.where(messages.c.created_at >= query.created_since)
    if query.created_before is not None:
        statement = statement.where(messages.c.created_at <= query.created_before)
    return fetch(tx, Message, statement, page, key=messages.c.id, columns=SORT_KEYS)


def remove(tx: Tx, message_id: str) -> None:
    """Delete the message; succeeds on unknown."""
    tx.execute(delete(messages).where(messages.c.id == message_id))


def _of(project_id: str | None) -> Select[Any]:
    statement = select(messages).where(messages.c.expires_at > now())
    return statement if project_id is None else statement.where(messages.c.project_id == project_id)


def purge(tx: Tx) -> int:
    """Delete messages that have expired; how many."""
    return tx.execute(delete(messages).where(messages.c.expires_at < now())).rowcount
