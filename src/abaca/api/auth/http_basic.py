"""HTTP basic authentication with the users of Abaca's own database: for scripts."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import falcon

from abaca.api.auth import Caller
from abaca.api.settings import ApiSettings
from abaca.api.urls import address
from abaca.db import identity as db
from abaca.db.database import Database
from abaca.errors import Unauthorized
from abaca.identity.login import REFUSED, Login
from abaca.identity.passwords import Known
from abaca.identity.roles import with_implied
from abaca.model.user import Project, User

PROJECT_HEADER = "X-Project-Id"


@dataclass(frozen=True, slots=True)
class HttpBasic:
    """User and password with every request.

    The project is the one in the path (``/v2/<project>/...``), else the one of
    the header ``X-Project-Id`` (ID or name), else the user's only one.
    """

    login: Login
    settings: ApiSettings
    database: Database
    known: Known = field(default_factory=Known)

    def authenticate(self, req: falcon.Request) -> Caller:
        """The user, in that project, with the roles of now."""
        name, password = _credentials(req)
        user = self._user(name, password, address(req, self.settings))
        with self.database.read() as tx:
            projects = [p for p in db.list_projects(tx, user.id) if p.enabled]
            project = _chosen(req, projects)
            roles = db.roles(tx, user.id, project.id)
        return Caller(user_id=user.id, project_id=project.id, roles=with_implied(roles))

    def _user(self, name: str, password: str, where: str) -> User:
        """Hashing takes its time, so a password that was right stays right for a minute."""
        with self.database.read() as tx:
            user = db.user_named(tx, name)
        if user is not None and user.enabled and (user.password_hash or "", password) in self.known:
            return user
        user = self.login.user(name, password, address=where)
        self.known.add((user.password_hash or "", password))
        return user

    def challenge(self, _req: falcon.Request) -> str:
        """What to send."""
        return 'Basic realm="abaca", charset="UTF-8"'

    def mount(self, app: falcon.App[Any, Any]) -> None:
        """Nothing to serve."""


def _credentials(req: falcon.Request) -> tuple[str, str]:
    scheme, _, encoded = (req.get_header("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorized(REFUSED)
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthorized(REFUSED) from None
    if not colon:
        raise Unauthorized(REFUSED)
    return name, password


def _chosen(req: falcon.Request, projects: list[Project]) -> Project:
    wanted = req.get_header(PROJECT_HEADER)
    in_path = req.path.split("/")[2:3]
    for project in projects:
        if project.id in in_path:
            return project
    for project in projects:
        if wanted is not None and wanted in {project.id, project.name}:
            return project
    if wanted is not None or len(projects) != 1:
        raise Unauthorized(
            f"Say which project: in the path, /v2/<project>/..., or in the header {PROJECT_HEADER}."
        )
    return projects[0]
