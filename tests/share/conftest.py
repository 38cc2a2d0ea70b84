"""What tests of use cases start from."""

from __future__ import annotations

import pytest

from abaca.db.database import Database
from support.share_world import World


@pytest.fixture
def world(db: Database) -> World:
    """Backends, types and share networks, in a database of its own."""
    return World(db).set_up()
