"""Share managers of a test, stopped with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from abaca.db.database import Database
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkOptions
from support.control_plane import StartManager

HASTY = WorkOptions(
    threads=4, stop_seconds=60, retry=RetryOptions(first=0.02, longest=0.1, jitter=0.01)
)
"""For tests that wait for what is tried again."""


@contextmanager
def managers(db: Database, usual: ManagerOptions) -> Iterator[StartManager]:
    """Starts managers on the database; all are stopped, with nothing under way, at the end."""
    started: list[ShareManager] = []

    def start(*backends: Backend, options: ManagerOptions = usual) -> ShareManager:
        manager = ShareManager(db, backends, options)
        manager.start()
        started.append(manager)
        return manager

    yield start
    for manager in started:
        assert manager.stop(), "work was left under way"
