"""A queue of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db.database import Database
from support.task_queue import Queue


@pytest.fixture
def tasks(database_url: str) -> Iterator[Queue]:
    """An empty task queue."""
    db = Database(database_url)
    db.create_schema()
    queue = Queue(db)
    yield queue
    queue.stop()
    db.close()
