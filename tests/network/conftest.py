"""A database of its own for each test, and rows to hang allocations on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from abaca.db.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database."""
    made = Database(f"sqlite:///{tmp_path}/abaca.db")
    made.create_schema()
    yield made
    made.close()
