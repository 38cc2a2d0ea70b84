"""A queue of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db.database import Database
from support.task_queue import Queue


@pytest.fixture
def tasks(db: Database) -> Iterator[Queue]:
    """An empty task queue."""
    queue = Queue(db)
    yield queue
    queue.stop()
