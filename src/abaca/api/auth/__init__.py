"""Who is asking: one file per strategy.

An `Authenticator` turns a request into a `Caller`. `none` and `http_basic` are
for scripts and one machine, `builtin` serves a small Identity v3 of its own,
`keystone` asks a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import falcon


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, in which project, with which roles."""

    user_id: str
    project_id: str
    roles: frozenset[str]
    credentials: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What else an operator's policy may look at (``user_domain_id``...)."""


class Authenticator(Protocol):
    """One strategy."""

    def authenticate(self, req: falcon.Request) -> Caller:
        """The caller, or `abaca.errors.Unauthorized`. Thread-safe."""

    def challenge(self, req: falcon.Request) -> str:
        """The ``WWW-Authenticate`` header of a refusal."""

    def mount(self, app: falcon.App[Any, Any]) -> None:
        """Add what the strategy serves itself (`builtin`: the Identity API)."""
