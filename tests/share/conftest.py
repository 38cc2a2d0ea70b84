"""What tests of use cases start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.db.database import Database
from support.share_world import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Backends, types and share networks, in a database of its own."""
    db = Database(database_url)
    db.create_schema()
    yield World(db).set_up()
    db.close()
