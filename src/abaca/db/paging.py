"""Pages and text filters in SQL, the same for every list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Integer, Row, Select, and_, bindparam, func, or_, select

from abaca.db.database import Tx
from abaca.db.rows import loader
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
    values: Mapping[str, object] | None = None,
) -> Slice[T]:
    """The page of what the statement selects, with these values for its parameters.

    ``key`` is the unique ID column, ``columns`` what may be sorted by, none of
    them nullable (coalesce those that are). ``make`` builds an item from a row
    where its columns are not simply the fields of ``cls``.
    """
    found = fetch_rows(tx, statement, page, key=key, columns=columns, values=values)
    if not found.items:
        return Slice(items=(), more=False, count=found.count)
    make = make or loader(cls, found.items[0]._fields)
    return Slice(items=tuple(map(make, found.items)), more=found.more, count=found.count)


def fetch_rows(
    tx: Tx,
    statement: Select[Any],
    page: Page,
    *,
    key: ColumnElement[Any],
    columns: Mapping[str, ColumnElement[Any]],
    values: Mapping[str, object] | None = None,
) -> Slice[Row[Any]]:
    """As `fetch`, for what more has to be looked up for before it is an item."""
    if page.sort_key not in columns:
        raise BadRequest(f"sort_key={page.sort_key!r}: give one of {', '.join(sorted(columns))}.")
    column, values = columns[page.sort_key], values or {}
    count = None
    if page.with_count:
        count = tx.scalar(select(func.count()).select_from(statement.subquery()), values)
    values = {**values, "page_limit": page.limit + 1, "page_offset": page.offset}
    if page.marker is not None:
        values["page_marker"] = page.marker
        values["page_marked"] = _marked(tx, _marker(statement, column, key), values)
    ordered = _ordered(
        statement, column, key, descending=page.descending, after=page.marker is not None
    )
    rows = tx.execute(ordered, values).all()
    return Slice(items=tuple(rows[: page.limit]), more=len(rows) > page.limit, count=count)


@lru_cache(128)
def _ordered(
    statement: Select[Any],
    column: ColumnElement[Any],
    key: ColumnElement[Any],
    *,
    descending: bool,
    after: bool,
) -> Select[Any]:
    """Kept for statements that are made once: making one takes longer than running it."""
    order = (column.desc(), key.desc()) if descending else (column.asc(), key.asc())
    limit, offset = (bindparam(f"page_{name}", type_=Integer) for name in ("limit", "offset"))
    if after:
        statement = statement.where(_after(column, key, descending=descending))
    return statement.order_by(None).order_by(*order).limit(limit).offset(offset)


@lru_cache(128)
def _marker(
    statement: Select[Any], column: ColumnElement[Any], key: ColumnElement[Any]
) -> Select[Any]:
    """What the marker is sorted by."""
    # In the list itself: another project's item is no marker, and joins stay joined (a
    # statement with joins names its first table by select_from).
    marker = bindparam("page_marker", type_=key.type)
    return statement.where(key == marker).with_only_columns(column)


def _marked(tx: Tx, marker: Select[Any], values: Mapping[str, object]) -> object:
    found = tx.execute(marker, values).first()
    if found is None:
        raise BadRequest(f"marker={values['page_marker']!r}: no such item.")
    return found[0]


def _after(
    column: ColumnElement[Any], key: ColumnElement[Any], *, descending: bool
) -> ColumnElement[bool]:
    """What comes after the marker; its first half is what an index finds."""
    value = bindparam("page_marked", type_=column.type)
    marker = bindparam("page_marker", type_=key.type)
    if descending:
        return and_(column <= value, or_(column < value, key < marker))
    return and_(column >= value, or_(column > value, key > marker))
