"""Share types and their extra specs."""

from __future__ import annotations

import pytest

from abaca.db import share_types
from abaca.db.database import Database

pytestmark = pytest.mark.every_database


def test_a_new_type_was_never_updated(db: Database) -> None:
    """Its first extra specs are no change of it; those that are set later are."""
    with db.write() as tx:
        made = share_types.create(
            tx, name="gold", description=None, is_public=True, extra_specs={"a": "1", "b": "2"}
        )
        found = share_types.get(tx, made)
        assert found is not None
        assert (found.updated_at, found.extra_specs) == (None, {"a": "1", "b": "2"})
        share_types.set_extra_specs(tx, made, {"b": "3", "c": "4"})
        share_types.unset_extra_spec(tx, made, "a")
        found = share_types.get(tx, made)
    assert found is not None
    assert found.updated_at is not None
    assert found.extra_specs == {"b": "3", "c": "4"}
