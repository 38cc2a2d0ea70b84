"""What holds for metadata of whatever has some: how much there is, and who sets what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from abaca.errors import BadRequest, Forbidden, NotFound

MOST = 128
"""Keys that one thing has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Keys that are for administrators to set, and whether the caller is one."""

    keys: Collection[str] = ()
    passes: bool = False

    def check(self, keys: Collection[str]) -> None:
        """`Forbidden` if one of these keys is not the caller's to set."""
        closed = sorted(set(keys) & set(self.keys))
        if closed and not self.passes:
            raise Forbidden(f"Metadata {closed[0]!r} is for administrators to set.")


OPEN = Guard()
"""Every key is everybody's."""


def merged(
    now: Mapping[str, str], given: Mapping[str, str], *, replaced: bool, guard: Guard = OPEN
) -> dict[str, str]:
    """All that a thing has once these keys are set; with ``replaced`` its others go.

    What the caller may not set stays as it is.
    """
    guard.check(given)
    kept = dict(now)
    if replaced:
        kept = {} if guard.passes else {key: now[key] for key in now if key in guard.keys}
    wanted = {**kept, **given}
    if len(wanted) > MOST:
        raise BadRequest(f"There are at most {MOST} metadata keys.")
    return wanted


def without(now: Mapping[str, str], key: str, what: str, *, guard: Guard = OPEN) -> dict[str, str]:
    """All that a thing has once the key is unset; `NotFound` if it has none of that name."""
    if key not in now:
        raise NotFound(f"{what} has no metadata {key!r}.")
    guard.check([key])
    return {name: value for name, value in now.items() if name != key}
