"""A queue of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abaca.db.database import Database
from support.task_queue import Queue


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Queue]:
    """An empty task queue."""
    db = Database(f"sqlite:///{tmp_path}/abaca.db")
    db.create_schema()
    queue = Queue(db)
    yield queue
    queue.stop()
    db.close()
