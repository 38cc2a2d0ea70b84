"""Answers as data: which keys a thing shows, since when, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from abaca.api.microversion import MAX, MIN
from abaca.api.paging import next_link
from abaca.api.rendering import encoded
from abaca.api.request import Request
from abaca.context import Version
from abaca.model.page import Slice

T = TypeVar("T")
REMEMBERED = 4096
"""How many things told by texts are kept as they were shown: some 2 kB each."""
LONGEST = 4096
"""Characters of such a text; what a longer one tells is made each time."""


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
    ``rule`` the value is shown only where policy allows that rule on the thing's project;
    else ``hidden`` says what is shown. ``in_summary``: also in the short form of a list.
    """

    name: str
    get: Callable[[Any], Any] | str
    since: Version = MIN
    until: Version = MAX
    rule: str | None = None
    hidden: Hidden = Hidden.NULL
    in_summary: bool = False

    @property
    def getter(self) -> Callable[[Any], Any]:
        """What gives the value."""
        return attrgetter(self.get) if isinstance(self.get, str) else self.get


_Values: TypeAlias = dict[str, Any]


class _Links(NamedTuple):
    """Where the things of a view are: what is before their IDs, and after them."""

    own: str
    bookmark: str
    after: str

    def to(self, item_id: str) -> list[dict[str, str]]:
        """Both links."""
        return [
            {"rel": "self", "href": f"{self.own}{item_id}{self.after}"},
            {"rel": "bookmark", "href": f"{self.bookmark}{item_id}{self.after}"},
        ]


class _Form:
    """The fields of one version for one kind of caller, made ready to be filled in."""

    def __init__(self, view: View[Any], fields: Sequence[Field[Any]]) -> None:
        self._id, self._told = view.id, view.read is not None
        self._read = view.read or (lambda item: item)
        self._blank = {f.name: f.get.value if isinstance(f.get, Always) else None for f in fields}
        self._picked = tuple(f.name for f in fields if isinstance(f.get, str))
        # Two more than needed: of a single attribute it would give no tuple.
        places = [f.get for f in fields if isinstance(f.get, str)]
        self._pick = attrgetter(*places, "__class__", "__class__")
        rest = [f for f in fields if not isinstance(f.get, Always | str)]
        self._computed = [(f.name, f.getter) for f in rest]

    def show(self, item: Any, links: _Links | None) -> Any:  # noqa: ANN401 - of a T, JSON
        """The thing, ready for JSON."""
        if not self._told:
            return self._fill(item, links)
        text = item.text
        return _remembered(self, text, links) if len(text) <= LONGEST else self.told(text, links)

    def told(self, text: str, links: _Links | None) -> msgspec.Raw:
        """What is told by a text; it depends on nothing else."""
        return msgspec.Raw(encoded(self._fill(self._read(text), links)))

    def _fill(self, item: Any, links: _Links | None) -> _Values:  # noqa: ANN401 - a T
        """The keys in their order, with links to the thing."""
        shown = self._blank.copy()
        shown.update(zip(self._picked, self._pick(item), strict=False))
        for name, compute in self._computed:
            shown[name] = _spelled(compute(item))
        if links is not None:
            shown["links"] = links.to(self._id(item))
        return shown


@lru_cache(REMEMBERED)
def _remembered(form: _Form, text: str, links: _Links | None) -> msgspec.Raw:
    """Never out of date: nothing but what is given here has a part in it."""
    return form.told(text, links)


def _spelled(value: object) -> object:
    return stamp(value) if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """How a thing is shown: ``name`` alone, ``plural`` in lists.

    ``link`` is the path of one thing below the project (``/shares/{}``); with it
    answers carry ``links``. ``project`` tells whose a thing is, for rules. With ``read``
    the things come as texts (their attribute ``text``); it makes of one what the fields
    are of, and nothing else: what was made of the same text before is shown again.
    """

    name: str
    plural: str
    fields: tuple[Field[Any], ...]
    id: Callable[[T], str] = lambda item: item.id  # type: ignore[attr-defined]
    project: Callable[[T], str | None] = lambda _: None
    link: str | None = None
    read: Callable[[str], Any] | None = None
    _forms: dict[tuple[Version, bool, frozenset[str]], _Form] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def rules(self) -> frozenset[str]:
        """What some of the fields need."""
        return frozenset(f.rule for f in self.fields if f.rule is not None)

    def form(self, version: Version, denied: frozenset[str], *, summary: bool) -> _Form:
        """The fields of a version for whom these rules deny something."""
        key = (version, summary, denied)
        if key not in self._forms:
            self._forms[key] = _Form(
                self,
                [
                    replace(f, get=Always(None)) if f.rule in denied else f
                    for f in self.fields
                    if f.since <= version <= f.until
                    and (f.in_summary or not summary)
                    and not (f.rule in denied and f.hidden is Hidden.ABSENT)
                ],
            )
        return self._forms[key]

    def render(self, request: Request, item: T) -> dict[str, Any]:
        """The thing without its name around it; not of views with ``read``."""
        shown: dict[str, Any] = _Answer(self, request).show(item)
        return shown

    def one(self, request: Request, item: T) -> dict[str, Any]:
        """``{"share": {...}}``."""
        return {self.name: _Answer(self, request).show(item)}

    def many(
        self, request: Request, found: Slice[T], *, summary: bool = False, links: bool = True
    ) -> dict[str, Any]:
        """``{"shares": [...]}``, with ``count`` and ``shares_links`` where there are any."""
        answer = _Answer(self, request, summary=summary)
        body: dict[str, Any] = {self.plural: answer.show_all(found.items)}
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
        self._forms: dict[str | None, _Form] = {}
        self._links: _Links | None = None
        if view.link is not None:
            before, _, after = view.link.partition("{}")
            base, project = request.base_url, request.ctx.project_id
            self._links = _Links(f"{base}/v2/{project}{before}", f"{base}/{project}{before}", after)

    def show(self, item: T) -> Any:  # noqa: ANN401 - JSON
        """One thing, with links to it."""
        project = self._view.project(item) if self._rules else None
        if project not in self._forms:
            self._forms[project] = self._form(project)
        return self._forms[project].show(item, self._links)

    def show_all(self, items: Sequence[T]) -> list[Any]:
        """Each of them."""
        whose = set(map(self._view.project, items)) if self._rules else {None}
        if len(whose) != 1:
            return [self.show(item) for item in items]
        form, links = self._form(whose.pop()), self._links
        return [form.show(item, links) for item in items]

    def _form(self, project: str | None) -> _Form:
        """For things of that project."""
        denied = (rule for rule in self._rules if not self._request.may(rule, project))
        return self._view.form(self._request.version, frozenset(denied), summary=self._summary)
