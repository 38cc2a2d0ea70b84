"""What the work on one kind of resource is, as the queue sees it."""

from __future__ import annotations

from typing import Protocol

from abaca.db.database import Tx
from abaca.model.task import Task
from abaca.work.lease import Lease


class Handler(Protocol):
    """Idempotent and level-triggered; killed at any instruction, it may be run again."""

    def run(self, lease: Lease) -> None:
        """Make the difference between the resource's row and the world.

        Writes only through ``lease.write`` and ``lease.conclude``; a task that was
        not concluded is finished after it returns.
        """

    def superseded(self, tx: Tx, task: Task) -> bool:
        """True if a request that came during the work makes going on pointless."""

    def failed(self, lease: Lease, error: Exception) -> None:
        """Nothing will make ``run`` succeed: record that, tell the user, release what was made.

        What it raises is retried like a failure of ``run``.
        """
