"""Who asks, in which project, with which roles, at which microversion."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A microversion, ordered by number."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The caller of one request; handed down explicitly, never stored globally."""

    user_id: str
    project_id: str
    roles: frozenset[str]
    request_id: str
    global_request_id: str | None = None
    """What the caller calls the request, across services."""
    version: Version = Version(2, 0)
    experimental: bool = False
    is_admin: bool = False
    """Set once by the policy check ``context_is_admin``."""

    credentials: dict[str, object] = field(default_factory=dict, repr=False)
    """What oslo.policy rules look at, besides the fields above."""
