"""Which part of a list is asked for, and the part that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list, in a stated order; `abaca.db.paging` does it in SQL."""

    limit: int = 1000
    offset: int = 0
    marker: str | None = None
    """ID of the last item of the page before."""
    sort_key: str = "created_at"
    descending: bool = False
    with_count: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[T]):
    """The items of a page."""

    items: tuple[T, ...]
    more: bool
    """True if another page follows."""
    count: int | None
    """How many there are on all pages; None unless asked for."""
