"""Answers as data: which keys a thing shows, since when, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from abaca.api.microversion import MAX, MIN
from abaca.api.paging import next_link
from abaca.api.request import Request
from abaca.context import Version
from abaca.model.page import Slice

T = TypeVar("T")


def stamp(moment: datetime | None) -> str | None:
    """``2026-01-02T15:04:05.000000``: UTC, microseconds, no zone, as the API spells time."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


class Hidden(Enum):
    """What becomes of a key whose value the caller may not see."""

    NULL = auto()
    """It stays, with null: some clients need the key."""
    ABSENT = auto()


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One key of an answer, from version ``since`` to ``until`` inclusive.

    With ``rule`` the value is shown only where policy allows that rule on the
    thing's project; else ``hidden`` says what is shown. ``in_summary``: also in the
    short form of a list.
    """

    name: str
    get: Callable[[T], Any]
    since: Version = MIN
    until: Version = MAX
    rule: str | None = None
    hidden: Hidden = Hidden.NULL
    in_summary: bool = False


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """How a thing is shown: ``name`` alone, ``plural`` in lists.

    ``link`` is the path of one thing below the project (``/shares/{}``); with it
    answers carry ``links``. ``project`` tells whose a thing is, for rules.
    """

    name: str
    plural: str
    fields: tuple[Field[T], ...]
    id: Callable[[T], str] = lambda item: item.id  # type: ignore[attr-defined]
    project: Callable[[T], str | None] = lambda _: None
    link: str | None = None
    _cache: dict[tuple[Version, bool], tuple[Field[T], ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def at(self, version: Version, *, summary: bool = False) -> tuple[Field[T], ...]:
        """The fields of a version."""
        key = (version, summary)
        if key not in self._cache:
            self._cache[key] = tuple(
                f
                for f in self.fields
                if f.since <= version <= f.until and (f.in_summary or not summary)
            )
        return self._cache[key]

    def render(self, request: Request, item: T, *, summary: bool = False) -> dict[str, Any]:
        """The thing without its name around it."""
        shown: dict[str, Any] = {}
        for f in self.at(request.version, summary=summary):
            if f.rule is not None and not request.may(f.rule, self.project(item)):
                if f.hidden is Hidden.NULL:
                    shown[f.name] = None
                continue
            value = f.get(item)
            shown[f.name] = stamp(value) if isinstance(value, datetime) else value
        if self.link is not None:
            shown["links"] = _links(request, self.link.format(self.id(item)))
        return shown

    def one(self, request: Request, item: T) -> dict[str, Any]:
        """``{"share": {...}}``."""
        return {self.name: self.render(request, item)}

    def many(
        self, request: Request, found: Slice[T], *, summary: bool = False, links: bool = True
    ) -> dict[str, Any]:
        """``{"shares": [...]}``, with ``count`` and ``shares_links`` where there are any."""
        body: dict[str, Any] = {
            self.plural: [self.render(request, item, summary=summary) for item in found.items]
        }
        if found.count is not None:
            body["count"] = found.count
        if links and found.more and found.items:
            body[f"{self.plural}_links"] = next_link(request, self.id(found.items[-1]))
        return body


def _links(request: Request, below: str) -> list[dict[str, str]]:
    base, project = request.base_url, request.ctx.project_id
    return [
        {"rel": "self", "href": f"{base}/v2/{project}{below}"},
        {"rel": "bookmark", "href": f"{base}/{project}{below}"},
    ]
