"""Fixtures: a control plane without the API, and share managers that audit often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from abaca.db import audits
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.manager.options import ManagerOptions
from support.control_plane import Api, StartManager
from support.hostns import Host, host
from support.managers import HASTY, managers

HOST = "node1@b1"
"""Whose looks `until_audited` waits for."""
CALM = ManagerOptions(work=HASTY, supervise_seconds=60, report_seconds=0.5, audit_seconds=0)
"""Audits when it is asked to, and mends nothing by itself."""
BUSY = ManagerOptions(
    work=HASTY, supervise_seconds=60, report_seconds=0.5, audit_seconds=0.1, confirm_seconds=0.1
)


@pytest.fixture
def api(db: Database) -> Api:
    """A database, and what the API would write into it."""
    return Api(db)


@pytest.fixture
def made_host(tmp_path: Path) -> Iterator[Host]:
    """A host, removed afterwards with all that is on it."""
    with host(tmp_path) as made:
        yield made


@pytest.fixture
def start(api: Api) -> Iterator[StartManager]:
    """Start managers that are stopped with the test."""
    with managers(api.db, BUSY) as begin:
        yield begin


def until_audited(api: Api, times: int = 2) -> None:
    """Wait for looks that begin after now."""
    for _ in range(times):
        since = now()

        def looked(since: datetime = since) -> bool:
            with api.db.read() as tx:
                audit = audits.get(tx, HOST)
            return audit is not None and audit.finished_at is not None and audit.finished_at > since

        api.until(looked)
