"""The task that audits a backend."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from abaca.context import Context
from abaca.db.database import Tx
from abaca.model.task import TaskKind
from abaca.work.queue import enqueue

_NAMES = uuid.UUID("6cf4a3c5-3a2f-4b0e-9a55-0f6f6b7f4c11")


def audit_id(host: str) -> str:
    """The resource of the audit task of a backend (``host@backend``): always the same."""
    return str(uuid.uuid5(_NAMES, host))


def enqueue_audit(
    tx: Tx, host: str, ctx: Context | None = None, *, unless: Collection[str] = ()
) -> None:
    """The backend is to be looked at, on behalf of whom; ``unless`` may have its `audit_id`."""
    resource = audit_id(host)
    if resource not in unless:
        enqueue(
            tx,
            TaskKind.AUDIT,
            resource,
            queue=host,
            lane=resource,
            project_id=ctx.project_id if ctx else None,
            request_id=ctx.request_id if ctx else None,
            global_request_id=ctx.global_request_id if ctx else None,
        )
