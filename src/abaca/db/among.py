"""Whether a column is one of many values, given as one parameter where the database can.

A parameter for each value has the statement written anew each time it is run: for the
hundred IDs of a page that takes longer than the database does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ColumnElement, String, any_, bindparam, func, select


def among(column: ColumnElement[str], name: str, dialect: str) -> ColumnElement[bool]:
    """The condition; ``name`` is the parameter, a list of strings."""
    if dialect == "sqlite":
        values = func.json_each(bindparam(name, type_=JSON)).table_valued("value")
        return column.in_(select(values.c.value))
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import ARRAY  # noqa: PLC0415 - only where it is used

        listed: Any = bindparam(name, type_=ARRAY(String))
        return column == any_(listed)
    return column.in_(bindparam(name, expanding=True))
