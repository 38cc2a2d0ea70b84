"""Rows as JSON texts, made by the database: one value where there would be one per column.

Drivers take longer for the twenty columns of a share than the database does for all of it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import ColumnElement, String, cast, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from abaca.db.tables.base import UtcDateTime


class JsonArray(FunctionElement[str]):
    """The values of these columns, in this order; times in UTC. Booleans may be 0 and 1."""

    name = "json_array"
    names: ClassVar = {"postgresql": "json_build_array"}
    type = String()
    inherit_cache = True

    def __init__(self, *columns: ColumnElement[Any]) -> None:
        super().__init__(*map(_spelled, columns))


class JsonObject(FunctionElement[str]):
    """Of all rows (an aggregate): what is in the first column with what is in the second.

    Without rows it is null, or an empty object.
    """

    name = "json_objectagg"
    names: ClassVar = {"postgresql": "json_object_agg", "sqlite": "json_group_object"}
    type = String()
    inherit_cache = True


def _spelled(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Times are stored without their zone."""
    if isinstance(column.type, UtcDateTime):
        return cast(column, String) + literal_column("'Z'", String)
    return column


@compiles(JsonArray)
@compiles(JsonObject)
def _call(element: JsonArray | JsonObject, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    dialect = compiler.dialect.name
    name = element.names.get(dialect, element.name)
    call = f"{name}({compiler.process(element.clauses, **options)})"
    # Else the driver reads it.
    return f"CAST({call} AS TEXT)" if dialect == "postgresql" else call
