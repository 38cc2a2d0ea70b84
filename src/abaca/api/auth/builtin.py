"""Tokens of Abaca's own: checks them, and serves the Identity API that gives them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import falcon

from abaca.api.auth import Caller
from abaca.api.auth.identity_api import DOMAIN_ID, IdentityApi
from abaca.api.settings import ApiSettings
from abaca.api.urls import base_url
from abaca.db.database import Database
from abaca.errors import Unauthorized
from abaca.identity.login import REFUSED, Login


@dataclass(frozen=True, slots=True)
class Builtin:
    """``X-Auth-Token`` with a token of `abaca.identity.tokens`."""

    login: Login
    settings: ApiSettings
    database: Database

    def authenticate(self, req: falcon.Request) -> Caller:
        """The token's user in the token's project, with the roles of now."""
        text = req.get_header("X-Auth-Token")
        if not text:
            raise Unauthorized(REFUSED)
        session = self.login.session(text)
        if session.project is None:
            raise Unauthorized("The token is for no project; ask for one with a project scope.")
        return Caller(
            user_id=session.user.id,
            project_id=session.project.id,
            roles=session.roles,
            credentials={
                "user_name": session.user.name,
                "project_name": session.project.name,
                "user_domain_id": DOMAIN_ID,
                "project_domain_id": DOMAIN_ID,
            },
        )

    def challenge(self, req: falcon.Request) -> str:
        """Where tokens come from."""
        return f'Keystone uri="{base_url(req, self.settings)}/identity"'

    def mount(self, app: falcon.App[Any, Any]) -> None:
        """Serve the Identity API below ``/identity``."""
        IdentityApi(self.login, self.settings, self.database).mount(app)
