"""Have something looked at, and mended, by whoever works on its backend."""

from __future__ import annotations

from abaca.db.database import Tx
from abaca.model.share import ShareInstance
from abaca.model.task import TaskKind
from abaca.work import queue


def look_at_share(tx: Tx, instance: ShareInstance) -> None:
    """Have a share looked at, and brought back with the rules that it has."""
    queue.enqueue(
        tx,
        TaskKind.SHARE,
        instance.id,
        queue=instance.host,
        lane=instance.lane,
        project_id=None,
        request_id=None,
    )


def look_at_server(
    tx: Tx, server_id: str, host: str, project_id: str, *, delay: float = 0.0
) -> None:
    """Have a share server looked at, so many seconds from now."""
    queue.enqueue(
        tx,
        TaskKind.SHARE_SERVER,
        server_id,
        queue=host,
        lane=server_id,
        project_id=project_id,
        request_id=None,
        delay=delay,
    )
