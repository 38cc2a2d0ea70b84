"""Rows as JSON texts: the same values on every database, whatever is in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from abaca.db.as_json import JsonArray, JsonObject
from abaca.db.database import Database
from abaca.db.tables import share_type_extra_specs as specs
from abaca.db.tables import share_types

pytestmark = pytest.mark.every_database
AWKWARD = (
    *("plain", "o'hare", 'say "so"', "a\\b", "{curly}", "[1, 2]", '{"x": 1}', "zürich", "😀"),
    *("NULL", "null", "1", "true", "tab\tline\nend", "\x01\x1f\x7f", "\u2028", "%s :p ?", ""),
)
MOMENTS = (
    datetime(2026, 1, 2, 15, 4, 5, 123456, tzinfo=UTC),
    datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC),
)
decoder = msgspec.json.Decoder(
    tuple[str, str | None, bool, datetime, datetime | None], strict=False
)


@pytest.mark.parametrize("moment", MOMENTS)
def test_values_come_as_they_are(db: Database, moment: datetime) -> None:
    """Texts, nothing, booleans and times."""
    columns = share_types.c
    rows = [
        {
            "id": str(number),
            "name": f"{number}{text}",
            "description": text,
            "is_public": bool(number % 2),
            "created_at": moment,
        }
        for number, text in enumerate(AWKWARD)
    ]
    with db.write() as tx:
        tx.execute(insert(share_types), rows)
        shown = (columns.name, columns.description, columns.is_public, columns.created_at)
        found: Sequence[Any] = tx.execute(
            select(columns.id, JsonArray(*shown, columns.updated_at))
        ).all()
    told = {number: decoder.decode(text) for number, text in found}
    assert told == {
        row["id"]: (row["name"], row["description"], row["is_public"], moment, None) for row in rows
    }


def test_rows_become_an_object(db: Database) -> None:
    """Keys and values; of no rows null or an empty object."""
    values = {f"{number}{text}": text for number, text in enumerate(AWKWARD)}
    values["long"] = "x" * 1023
    made = {"name": "type", "is_public": True, "created_at": MOMENTS[0]}
    own = (
        select(JsonObject(specs.c.key, specs.c.value))
        .where(specs.c.share_type_id == share_types.c.id)
        .scalar_subquery()
    )
    with db.write() as tx:
        tx.execute(insert(share_types), [{**made, "id": name, "name": name} for name in "ab"])
        rows = [{"share_type_id": "a", "key": key, "value": values[key]} for key in values]
        tx.execute(insert(specs), rows)
        found: Sequence[Any] = tx.execute(
            select(share_types.c.id, own).order_by(share_types.c.id)
        ).all()
    (_, full), (_, empty) = found
    assert json.loads(full) == values
    assert empty in {None, "{}"}
