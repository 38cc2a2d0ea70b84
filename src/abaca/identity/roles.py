"""The roles, and what each includes."""

from __future__ import annotations

from collections.abc import Iterable

ADMIN = "admin"
ROLES = (ADMIN, "manager", "member", "reader")
"""Each includes those after it."""

_INCLUDED = {role: frozenset(ROLES[place:]) for place, role in enumerate(ROLES)}


def with_implied(roles: Iterable[str]) -> frozenset[str]:
    """The roles and those that they include."""
    given = frozenset(role.lower() for role in roles)
    return given.union(*(_INCLUDED.get(role, frozenset()) for role in given))
