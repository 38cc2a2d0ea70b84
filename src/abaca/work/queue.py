"""The task queue's SQL: enqueue here; claim, extend and finish beside it.

A task is not a command but a note that a resource's row and the world may
differ; its handler looks at both. So asking twice is one task with a higher
generation, and at most one task per resource is alive.
"""

from __future__ import annotations

from abaca.db.database import Tx
from abaca.model.task import TaskKind


def enqueue(
    tx: Tx,
    kind: TaskKind,
    resource_id: str,
    *,
    queue: str | None,
    lane: str,
    project_id: str | None,
    request_id: str | None,
    delay: float = 0.0,
) -> None:
    """Have the resource looked at, ``delay`` seconds from now, durably with this transaction.

    ``queue`` is the ``host@backend`` whose workers may take it (None: any
    manager), ``lane`` names what must not be worked on twice at once: the share
    server's ID, or the resource's own.
    """
    raise NotImplementedError
