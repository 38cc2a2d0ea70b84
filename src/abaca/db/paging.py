"""Pages and text filters in SQL, the same for every list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from abaca.db.database import Tx, load
from abaca.errors import BadRequest
from abaca.model.page import Page, Slice

T = TypeVar("T")


def like(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether the column contains the text, letters of either case; ``%`` and ``_`` are plain."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return func.lower(column).like(f"%{escaped.lower()}%", escape="\\")


def fetch(
    tx: Tx,
    cls: type[T],
    statement: Select[Any],
    page: Page,
    *,
    key: ColumnElement[Any],
    columns: Mapping[str, ColumnElement[Any]],
    make: Callable[[Row[Any]], T] | None = None,
) -> Slice[T]:
    """The page of what the statement selects.

    ``key`` is the unique ID column, ``columns`` what may be sorted by, none of
    them nullable (coalesce those that are). ``make`` builds an item from a row
    where its columns are not simply the fields of ``cls``.
    """
    if page.sort_key not in columns:
        raise BadRequest(f"sort_key={page.sort_key!r}: give one of {', '.join(sorted(columns))}.")
    column = columns[page.sort_key]
    count = None
    if page.with_count:
        count = tx.scalar(select(func.count()).select_from(statement.subquery()))
    if page.marker is not None:
        statement = statement.where(_after(tx, statement, page, key, column))
    order = (column.desc(), key.desc()) if page.descending else (column.asc(), key.asc())
    statement = statement.order_by(None).order_by(*order)
    rows = tx.execute(statement.limit(page.limit + 1).offset(page.offset)).all()
    items = tuple((make or (lambda row: load(cls, row)))(row) for row in rows[: page.limit])
    return Slice(items=items, more=len(rows) > page.limit, count=count)


def _after(
    tx: Tx,
    statement: Select[Any],
    page: Page,
    key: ColumnElement[Any],
    column: ColumnElement[Any],
) -> ColumnElement[bool]:
    # In the list itself: another project's item is no marker, and joins stay joined (a
    # statement with joins names its first table by select_from).
    marked = statement.where(key == page.marker)
    marker = tx.execute(marked.with_only_columns(column)).first()
    if marker is None:
        raise BadRequest(f"marker={page.marker!r}: no such item.")
    value = marker[0]
    if page.descending:
        return or_(column < value, and_(column == value, key < page.marker))
    return or_(column > value, and_(column == value, key > page.marker))
