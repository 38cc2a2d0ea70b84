"""Shares whose time is up: in the recycle bin, or on offer to another project."""

from __future__ import annotations

from collections.abc import Collection

from abaca.db import share_networks, share_transfers, shares
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.model.task import TaskKind
from abaca.states import ShareStatus
from abaca.steps import commit
from abaca.work.queue import enqueue

BATCH = 100
EMPTY, END_TRANSFERS = map(commit, ("bin.empty", "transfers.end"))


def empty(db: Database, hosts: Collection[str]) -> int:
    """Delete what is due on these backends, and what is on none; how many that were."""
    with db.read() as tx:
        if not shares.due_in_bin(tx, now(), hosts, 1, lock=False):
            return 0
    with db.write(EMPTY) as tx:
        due = shares.due_in_bin(tx, now(), hosts, BATCH)
        for share in due:
            instance = share.instance
            if instance.host is None:
                shares.remove(tx, share.id)
                if share.share_network_id is not None:
                    share_networks.finish_removal(tx, share.share_network_id)
                continue
            shares.change_instance(tx, instance.id, status=ShareStatus.DELETING)
            enqueue(
                tx,
                TaskKind.SHARE,
                instance.id,
                queue=instance.host,
                lane=instance.lane,
                project_id=share.project_id,
                request_id=None,
            )
    return len(due)


def end_transfers(db: Database) -> int:
    """End the offers of shares that nobody took up in time; how many those were."""
    with db.read() as tx:
        if not share_transfers.any_expired(tx, now()):
            return 0
    with db.write(END_TRANSFERS) as tx:
        return share_transfers.end_expired(tx, now())
