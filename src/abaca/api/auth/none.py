"""No authentication: every caller is the configured one. On loopback only."""

from __future__ import annotations

from typing import Any

import falcon

from abaca.api.auth import Caller
from abaca.identity.roles import with_implied


class NoAuth:
    """Everybody is the same caller; not an administrator unless the configuration says so."""

    def __init__(
        self, *, project_id: str = "default", user_id: str = "anonymous", role: str = "member"
    ) -> None:
        self._caller = Caller(user_id=user_id, project_id=project_id, roles=with_implied({role}))

    def authenticate(self, _req: falcon.Request) -> Caller:
        """The configured caller."""
        return self._caller

    def challenge(self, _req: falcon.Request) -> str:
        """Never sent."""
        return "None"

    def mount(self, app: falcon.App[Any, Any]) -> None:
        """Nothing to serve."""
