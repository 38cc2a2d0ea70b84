"""A database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db.database import Database
from abaca.testing.ledger_world import without_sync


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database."""
    made = Database(database_url)
    if made.is_sqlite:
        without_sync(made)
    made.create_schema()
    yield made
    made.close()
