"""Fixtures: a control plane without the API, and share managers that audit often."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db.database import Database
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkOptions
from support.control_plane import Api, StartManager

WORK = WorkOptions(
    threads=4, stop_seconds=5, retry=RetryOptions(first=0.02, longest=0.1, jitter=0.01)
)
CALM = ManagerOptions(work=WORK, supervise_seconds=60, report_seconds=0.5, audit_seconds=0)
"""Audits when it is asked to, and mends nothing by itself."""
BUSY = ManagerOptions(
    work=WORK, supervise_seconds=60, report_seconds=0.5, audit_seconds=0.1, confirm_seconds=0.1
)


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    """A database, and what the API would write into it."""
    db = Database(database_url)
    db.create_schema()
    yield Api(db)
    db.close()


@pytest.fixture
def start(api: Api) -> Iterator[StartManager]:
    """Start managers that are stopped with the test."""
    started: list[ShareManager] = []

    def begin(*backends: Backend, options: ManagerOptions = BUSY) -> ShareManager:
        manager = ShareManager(api.db, backends, options)
        manager.start()
        started.append(manager)
        return manager

    yield begin
    for manager in started:
        assert manager.stop(), "work was left under way"
