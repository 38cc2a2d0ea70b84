"""Fixtures: a control plane without the API, and share managers with fake backends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db.database import Database
from abaca.manager.options import ManagerOptions
from support.control_plane import Api, StartManager
from support.managers import HASTY, managers

FAST = ManagerOptions(work=HASTY, supervise_seconds=0.2, report_seconds=0.5)


@pytest.fixture
def api(db: Database) -> Api:
    """A database, and what the API would write into it."""
    return Api(db)


@pytest.fixture
def start(api: Api) -> Iterator[StartManager]:
    """Start managers that are stopped with the test."""
    with managers(api.db, FAST) as begin:
        yield begin
