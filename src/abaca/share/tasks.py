"""Having the share manager look at what changed, durably with the change."""

from __future__ import annotations

from abaca.context import Context
from abaca.db.database import Tx
from abaca.model.share import Share
from abaca.model.snapshot import Snapshot
from abaca.model.task import TaskKind
from abaca.work.queue import enqueue


def enqueue_share(tx: Tx, ctx: Context, share: Share) -> None:
    """A placed share's instance differs from what is wanted."""
    enqueue(
        tx,
        TaskKind.SHARE,
        share.instance.id,
        queue=share.instance.host,
        lane=share.instance.lane,
        project_id=share.project_id,
        request_id=ctx.request_id,
        global_request_id=ctx.global_request_id,
    )


def enqueue_snapshot(tx: Tx, ctx: Context, share: Share, snapshot: Snapshot) -> None:
    """A snapshot differs from what is wanted; worked on beside nothing else of its share."""
    enqueue(
        tx,
        TaskKind.SNAPSHOT,
        snapshot.instance.id,
        queue=share.instance.host,
        lane=share.instance.lane,
        project_id=snapshot.project_id,
        request_id=ctx.request_id,
        global_request_id=ctx.global_request_id,
    )
