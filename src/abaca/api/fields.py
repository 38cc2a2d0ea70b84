"""Answers as data: which keys a thing shows, since when, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from operator import attrgetter
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
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")]


class Hidden(Enum):
    """What becomes of a key whose value the caller may not see."""

    NULL = auto()
    """It stays, with null: some clients need the key."""
    ABSENT = auto()


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One key of an answer, from version ``since`` to ``until`` inclusive.

    ``get`` gives its value, or is the name of the attribute that is its value as it
    stands (``share_type.name``; no time): several times as fast, for long lists.
    With ``rule`` the value is shown only where policy allows that rule on the
    thing's project; else ``hidden`` says what is shown. ``in_summary``: also in the
    short form of a list.
    """

    name: str
    get: Callable[[T], Any] | str
    since: Version = MIN
    until: Version = MAX
    rule: str | None = None
    hidden: Hidden = Hidden.NULL
    in_summary: bool = False

    @property
    def getter(self) -> Callable[[T], Any]:
        """What gives the value."""
        return attrgetter(self.get) if isinstance(self.get, str) else self.get

    @property
    def attribute(self) -> str | None:
        """The attribute that is the value, for everybody; None if there is more to it."""
        return self.get if isinstance(self.get, str) and self.rule is None else None


class _Form(Generic[T]):
    """The fields of one version, made ready to be filled in."""

    def __init__(self, fields: Sequence[Field[T]]) -> None:
        plain = [f.attribute or "__class__" for f in fields]
        self._names = tuple(f.name for f in fields)
        # Two more than needed: of a single attribute it would give no tuple.
        self._pick = attrgetter(*plain, "__class__", "__class__")
        self._computed = tuple((f, f.getter) for f in fields if f.attribute is None)

    def fill(self, request: Request, item: T, project: Callable[[T], str | None]) -> dict[str, Any]:
        """The keys in their order."""
        shown = dict(zip(self._names, self._pick(item), strict=False))
        for f, get in self._computed:
            if f.rule is None or request.may(f.rule, project(item)):
                value = get(item)
                shown[f.name] = stamp(value) if isinstance(value, datetime) else value
            elif f.hidden is Hidden.NULL:
                shown[f.name] = None
            else:
                del shown[f.name]
        return shown


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
    _forms: dict[tuple[Version, bool], _Form[T]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def _form(self, version: Version, *, summary: bool) -> _Form[T]:
        """The fields of a version."""
        key = (version, summary)
        if key not in self._forms:
            self._forms[key] = _Form(
                [
                    f
                    for f in self.fields
                    if f.since <= version <= f.until and (f.in_summary or not summary)
                ]
            )
        return self._forms[key]

    def render(self, request: Request, item: T, *, summary: bool = False) -> dict[str, Any]:
        """The thing without its name around it."""
        return self._render(request, self._form(request.version, summary=summary), item)

    def _render(self, request: Request, form: _Form[T], item: T) -> dict[str, Any]:
        shown = form.fill(request, item, self.project)
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
        form = self._form(request.version, summary=summary)
        body: dict[str, Any] = {
            self.plural: [self._render(request, form, item) for item in found.items]
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
