"""A database of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import without_sync

from abaca.db.database import Database
from abaca.db.tables import metadata

URL_VARIABLE = "ABACA_TEST_DATABASE"
"""URL of a PostgreSQL or MariaDB database for these tests alone: its tables are dropped."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database: SQLite, or the one that the environment names."""
    url = os.environ.get(URL_VARIABLE)
    made = Database(url or f"sqlite:///{tmp_path}/abaca.db")
    if url:
        metadata.drop_all(made.engine)
    else:
        without_sync(made)
    made.create_schema()
    yield made
    made.close()
