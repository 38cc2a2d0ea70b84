"""Answers as data: which keys a thing shows, since when, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar

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
class Always:
    """As a field's ``get``: the same value in every answer."""

    value: object

    def __call__(self, _item: object) -> object:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One key of an answer, from version ``since`` to ``until`` inclusive.

    ``get`` gives its value, or is the name of the attribute that is its value as it
    stands (``share_type.name``; no time): several times as fast, for long lists. With
    ``of`` it is asked of that attribute of the thing, once per answer for all things that
    have the very same one. With ``rule`` the value is shown only where policy allows that
    rule on the thing's project; else ``hidden`` says what is shown. ``in_summary``: also in
    the short form of a list.
    """

    name: str
    get: Callable[[Any], Any] | str
    since: Version = MIN
    until: Version = MAX
    rule: str | None = None
    hidden: Hidden = Hidden.NULL
    in_summary: bool = False
    of: str | None = None

    @property
    def getter(self) -> Callable[[Any], Any]:
        """What gives the value."""
        return attrgetter(self.get) if isinstance(self.get, str) else self.get

    @property
    def attribute(self) -> str | None:
        """The thing's attribute that is the value; None if there is more to it."""
        return self.get if isinstance(self.get, str) and self.of is None else None


_Values: TypeAlias = dict[str, Any]
_Known: TypeAlias = dict[tuple[str, int], tuple[object, _Values]]
"""Within one answer, by identity: parts that several things have, and what was asked of them."""


class _Form(Generic[T]):
    """The fields of one version for one kind of caller, made ready to be filled in."""

    def __init__(self, fields: Sequence[Field[T]]) -> None:
        rest = [f for f in fields if f.attribute is None]
        asked = [f for f in rest if not isinstance(f.get, Always)]
        self._blank = {f.name: f.get.value if isinstance(f.get, Always) else None for f in fields}
        self._picked = tuple(f.name for f in fields if f.attribute is not None)
        # Two more than needed: of a single attribute it would give no tuple.
        places = [f.attribute for f in fields if f.attribute is not None]
        self._pick = attrgetter(*places, "__class__", "__class__")
        self._computed = [(f.name, f.getter) for f in asked if f.of is None]
        self._parts = [
            (name, attrgetter(name), [(f.name, f.getter) for f in asked if f.of == name])
            for name in dict.fromkeys(f.of for f in asked if f.of is not None)
        ]

    def fill(self, item: T, known: _Known) -> _Values:
        """The keys in their order."""
        shown = self._blank.copy()
        shown.update(zip(self._picked, self._pick(item), strict=False))
        for attribute, get_part, fields in self._parts:
            part = get_part(item)
            key = (attribute, id(part))
            if key not in known:
                known[key] = (part, {name: _spelled(get(part)) for name, get in fields})
            shown.update(known[key][1])
        for name, compute in self._computed:
            shown[name] = _spelled(compute(item))
        return shown


def _spelled(value: object) -> object:
    return stamp(value) if isinstance(value, datetime) else value


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
    _forms: dict[tuple[Version, bool, frozenset[str]], _Form[T]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def rules(self) -> frozenset[str]:
        """What some of the fields need."""
        return frozenset(f.rule for f in self.fields if f.rule is not None)

    def form(self, version: Version, denied: frozenset[str], *, summary: bool) -> _Form[T]:
        """The fields of a version for whom these rules deny something."""
        key = (version, summary, denied)
        if key not in self._forms:
            self._forms[key] = _Form(
                [
                    replace(f, get=Always(None)) if f.rule in denied else f
                    for f in self.fields
                    if f.since <= version <= f.until
                    and (f.in_summary or not summary)
                    and not (f.rule in denied and f.hidden is Hidden.ABSENT)
                ]
            )
        return self._forms[key]

    def render(self, request: Request, item: T) -> dict[str, Any]:
        """The thing without its name around it."""
        return _Answer(self, request).show(item)

    def one(self, request: Request, item: T) -> dict[str, Any]:
        """``{"share": {...}}``."""
        return {self.name: self.render(request, item)}

    def many(
        self, request: Request, found: Slice[T], *, summary: bool = False, links: bool = True
    ) -> dict[str, Any]:
        """``{"shares": [...]}``, with ``count`` and ``shares_links`` where there are any."""
        show = _Answer(self, request, summary=summary).show
        body: dict[str, Any] = {self.plural: [show(item) for item in found.items]}
        if found.count is not None:
            body["count"] = found.count
        if links and found.more and found.items:
            body[f"{self.plural}_links"] = next_link(request, self.id(found.items[-1]))
        return body


class _Answer(Generic[T]):
    """One answer: what holds for all that it shows is found out once."""

    def __init__(self, view: View[T], request: Request, *, summary: bool = False) -> None:
        self._view, self._request, self._summary = view, request, summary
        self._rules = view.rules
        self._forms: dict[str | None, tuple[_Form[T], _Known]] = {}
        before, _, self._after = (view.link or "").partition("{}")
        base, project = request.base_url, request.ctx.project_id
        self._own, self._bookmark = f"{base}/v2/{project}{before}", f"{base}/{project}{before}"

    def show(self, item: T) -> _Values:
        """One thing, with links to it."""
        view = self._view
        project = view.project(item) if self._rules else None
        if project not in self._forms:
            self._forms[project] = (self._form(project), {})
        form, known = self._forms[project]
        shown = form.fill(item, known)
        if view.link is not None:
            below = view.id(item) + self._after
            shown["links"] = [
                {"rel": "self", "href": self._own + below},
                {"rel": "bookmark", "href": self._bookmark + below},
            ]
        return shown

    def _form(self, project: str | None) -> _Form[T]:
        """For things of that project."""
        denied = (rule for rule in self._rules if not self._request.may(rule, project))
        return self._view.form(self._request.version, frozenset(denied), summary=self._summary)
