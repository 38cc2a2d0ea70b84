"""Request bodies as data: which keys there are, since when, and what they may hold.

A key that the version does not know is passed over, as clients send more than
they need; a key it knows must hold what it says. Every refusal names the key,
the value and what to give instead.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from abaca.api.microversion import MAX, MIN
from abaca.context import Version
from abaca.errors import BadRequest

Check = Callable[[object], Any]
"""Returns the value to use, or raises ValueError saying what to give."""

TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a body. ``into``: the name that the handler sees, if it differs."""

    name: str
    check: Check
    required: bool = False
    nullable: bool = True
    since: Version = MIN
    until: Version = MAX
    into: str | None = None
    secret: bool = False
    """Its value is in no refusal."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a request may send under ``root`` (None: the body itself).

    With ``aliases`` the root may be spelled in other ways. ``strict`` refuses
    keys that the version does not know. ``optional``: the whole may be null.
    ``whole``: the name under which the handler sees everything as it was sent.
    """

    root: str | None
    keys: tuple[Key, ...]
    aliases: tuple[str, ...] = ()
    strict: bool = False
    optional: bool = False
    whole: str | None = None

    def parse(self, raw: object, version: Version) -> dict[str, Any]:
        """The keys given, checked; those not given are absent."""
        given = self._inside(raw)
        result: dict[str, Any] = {} if self.whole is None else {self.whole: dict(given)}
        known = set()
        for key in self.keys:
            if not key.since <= version <= key.until:
                continue
            known.add(key.name)
            if key.name in given:
                result[key.into or key.name] = _checked(key, given[key.name])
            elif key.required:
                raise BadRequest(f"{self._at(key.name)} is missing; it is required.")
        unknown = sorted(set(given) - known)
        if self.strict and unknown:
            raise BadRequest(
                f"{self._at(unknown[0])} is not known at version {version};"
                f" known are {', '.join(sorted(known))}."
            )
        return result

    def _inside(self, raw: object) -> Mapping[str, object]:
        inner = raw
        if self.root is not None:
            if not isinstance(raw, dict):
                raise BadRequest(f'Give a JSON body of the form {{"{self.root}": {{...}}}}.')
            name = next((name for name in (self.root, *self.aliases) if name in raw), None)
            if name is None:
                raise BadRequest(f'The body lacks its key "{self.root}".')
            inner = raw[name]
        if inner is None and self.optional:
            return {}
        if not isinstance(inner, dict):
            what = f'"{self.root}"' if self.root else "The body"
            raise BadRequest(f"{what} must be a JSON object.")
        return inner

    def _at(self, name: str) -> str:
        return f"{self.root}.{name}" if self.root else name


def _checked(key: Key, value: object) -> Any:  # noqa: ANN401
    if value is None:
        if key.nullable and not key.required:
            return None
        raise BadRequest(f"{key.name} may not be null.")
    try:
        return key.check(value)
    except ValueError as error:
        shown = "..." if key.secret else repr(value)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
        raise BadRequest(f"{key.name}={shown}: give {error}.") from None


def text(*, most: int = 255, least: int = 0) -> Check:
    """A string of ``least`` to ``most`` characters."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise ValueError(f"a string of {least} to {most} characters")
        return value

    return check


def name() -> Check:
    """A string of 1 to 255 characters that are not all blank."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > 255:  # noqa: PLR2004
            raise ValueError("a string of 1 to 255 characters, not only blanks")
        return value.strip()

    return check


def integer(*, least: int | None = None, most: int | None = None) -> Check:
    """A whole number, or a string of one."""
    wanted = "a whole number"
    if least is not None:
        wanted += f" of at least {least}"
    if most is not None:
        wanted += f" of at most {most}"

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(wanted)  # noqa: TRY004 - every check raises ValueError
        try:
            number = int(value)
        except ValueError:
            raise ValueError(wanted) from None
        if (least is not None and number < least) or (most is not None and number > most):
            raise ValueError(wanted)
        return number

    return check


def boolean() -> Check:
    """A boolean, or a string that says one ("true", "False", "1", "no")."""

    def check(value: object) -> bool:
        if isinstance(value, bool):
            return value
        said = str(value).strip().lower() if isinstance(value, str | int) else ""
        if said not in TRUE | FALSE:
            raise ValueError("true or false")
        return said in TRUE

    return check


def identifier() -> Check:
    """A UUID."""

    def check(value: object) -> str:
        try:
            return str(uuid.UUID(value if isinstance(value, str) else ""))
        except ValueError:
            raise ValueError("a UUID") from None

    return check


def one_of(*values: str) -> Check:
    """One of these strings."""

    def check(value: object) -> str:
        if value not in values:
            raise ValueError("one of " + ", ".join(values))
        return str(value)

    return check


def string_map(*, most: int = 1023) -> Check:
    """An object of strings: keys of 1 to 255 characters, values of 1 to ``most``."""
    wanted = f"an object of strings: keys of 1 to 255 characters, values of 1 to {most}"

    def check(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValueError(wanted)  # noqa: TRY004 - every check raises ValueError
        for key, item in value.items():
            if not 1 <= len(key) <= 255 or not key.strip():  # noqa: PLR2004
                raise ValueError(wanted)
            if not isinstance(item, str) or not 1 <= len(item) <= most:
                raise ValueError(wanted)
        return dict(value)

    return check


def mapping() -> Check:
    """An object; the handler looks at what is in it."""

    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("an object")  # noqa: TRY004 - every check raises ValueError
        return value

    return check


def anything() -> Check:
    """Whatever JSON holds; the handler looks at it."""
    return lambda value: value
