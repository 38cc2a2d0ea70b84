"""One of many values as one parameter: the same answer on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select

from abaca.db.among import among
from abaca.db.database import Database
from abaca.db.tables import availability_zones, now

pytestmark = pytest.mark.every_database
NAMES = ("plain", "o'hare", 'say "so"', "a\\b", "{curly,braces}", "zürich", "NULL", "1")


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """Rows with awkward names."""
    made = Database(database_url)
    made.create_schema()
    with made.write() as tx:
        for number, name in enumerate(NAMES):
            row = {"id": str(number), "name": name, "created_at": now()}
            tx.execute(insert(availability_zones).values(**row))
    yield made
    made.close()


def found(db: Database, names: list[str]) -> set[str]:
    """Those of the names that there are rows of."""
    column = availability_zones.c.name
    with db.read() as tx:
        statement = select(column).where(among(column, "names", tx.dialect))
        return set(tx.execute(statement, {"names": names}).scalars())


def test_values_are_found_whatever_is_in_them(db: Database) -> None:
    """Quotes, braces and backslashes are part of a value; nothing else is found with them."""
    assert found(db, list(NAMES)) == set(NAMES)
    for name in NAMES:
        assert found(db, [name, "not there"]) == {name}
    assert found(db, []) == set()
