"""User messages: what a project is told about work that failed after it was accepted."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, insert

from abaca.db.database import Tx
from abaca.db.tables import messages, new_id, now
from abaca.model.message import ActionId, DetailId, MessageLevel, MessageResource

KEPT = timedelta(days=30)


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


def purge(tx: Tx) -> int:
    """Delete messages that have expired; how many."""
    return tx.execute(delete(messages).where(messages.c.expires_at < now())).rowcount
