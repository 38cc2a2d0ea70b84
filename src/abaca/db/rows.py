"""Rows of the database as dataclasses, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, TypeVar, get_origin, get_type_hints

from sqlalchemy import Row, Table

T = TypeVar("T")
_KEPT = 1024
"""Kinds of results for which it is known what makes a dataclass of a row."""


def load(cls: type[T], row: Row[Any], *, prefix: str = "", **extra: object) -> T:
    """A dataclass from a row; columns that are no fields are passed over, ``extra`` wins.

    Strings become the field's StrEnum, JSON lists its tuple. With ``prefix`` the
    columns are those labelled so (a join of two tables with equal names). For many
    rows of one result: `loader`.
    """
    return loader(cls, row._fields, prefix)(row, **extra)


def loader(cls: type[T], keys: tuple[str, ...], prefix: str = "") -> Callable[..., T]:
    """`load` for rows with these columns."""
    called: Callable[..., T] = cls
    return _loader(called, keys, prefix)


@lru_cache(_KEPT)
def _loader(cls: Callable[..., Any], keys: tuple[str, ...], prefix: str) -> Callable[..., Any]:
    """Where each field is, is looked up once."""
    places = {name: keys.index(prefix + name) for name in _converters(cls) if prefix + name in keys}
    names, pick = tuple(places), itemgetter(*places.values(), 0, 0)
    # Two more than needed: of a single place it would give no tuple.
    converted = [(name, convert) for name in names if (convert := _converters(cls)[name])]

    def make(row: Row[Any], **extra: object) -> Any:  # noqa: ANN401 - the class's
        values = dict(zip(names, pick(row), strict=False))
        for name, convert in converted:
            values[name] = convert(values[name])
        return cls(**values, **extra) if extra.keys().isdisjoint(values) else cls(**values | extra)

    return make


def dump(item: object, table: Table) -> dict[str, Any]:
    """The columns of a new row from a dataclass: those that are named like fields of it."""
    return {c.name: getattr(item, c.name) for c in table.c if hasattr(item, c.name)}


@cache
def _converters(cls: Callable[..., Any]) -> dict[str, Callable[[Any], Any] | None]:
    """By field: how to make the field's type from what the database gave."""
    hints = get_type_hints(cls)
    return {item.name: _converter(hints[item.name]) for item in fields(cls) if item.init}  # type: ignore[arg-type]


def _converter(hint: Any) -> Callable[[Any], Any] | None:  # noqa: ANN401
    if get_origin(hint) is tuple:
        return tuple
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        members = {str(member): member for member in hint}
        # Three times as fast as the class, which tells what is wrong with any other value.
        return lambda value: members.get(value) or hint(value)
    return None
