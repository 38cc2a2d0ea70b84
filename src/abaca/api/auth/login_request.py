"""The body of ``POST /v3/auth/tokens``, understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from abaca.db import identity as db
from abaca.db.database import Database
from abaca.errors import BadRequest, Unauthorized
from abaca.identity.login import CREDENTIAL, PASSWORD, REFUSED, TOKEN, Login, Session

DOMAIN_ID = "default"
DOMAIN_NAME = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """Which credential, and for which project."""

    method: str
    secret: str = field(repr=False)
    user_id: str | None = None
    user_name: str | None = None
    credential_id: str | None = None
    credential_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None

    def login(self, login: Login, database: Database, address: str) -> tuple[str, Session]:
        """A token, and what it says."""
        user = self.user_id or self.user_name or ""
        if self.method == CREDENTIAL:
            return login.by_credential(
                self.secret,
                address=address,
                credential_id=self.credential_id,
                name=self.credential_name,
                user=user,
            )
        project = self._project(database)
        if self.method == TOKEN:
            return login.by_token(self.secret, project)
        return login.by_password(
            user, self.secret, project, address=address, by_id=self.user_id is not None
        )

    def _project(self, database: Database) -> str | None:
        """The ID of the project asked for; one that is not there is as one without a role."""
        if self.project_id is not None:
            return self.project_id
        if self.project_name is None:
            return None
        with database.read() as tx:
            found = db.project(tx, self.project_name)
        return found.id if found and found.name == self.project_name else self.project_name


def parse(raw: object) -> LoginRequest:
    """The request; `BadRequest` says which part is missing."""
    auth = _part(raw, "auth", "the body")
    identity = _part(auth, "identity", "auth")
    methods = identity.get("methods")
    if not isinstance(methods, list) or len(methods) != 1:
        raise BadRequest("auth.identity.methods: give exactly one method.")
    method = methods[0]
    scope = auth.get("scope")
    project = _scope(scope)
    if method == PASSWORD:
        user = _part(_part(identity, PASSWORD, "identity"), "user", PASSWORD)
        return LoginRequest(
            method=method,
            secret=_string(user, "password", "user"),
            **_user(user),
            **project,
        )
    if method == TOKEN:
        part = _part(identity, TOKEN, "identity")
        return LoginRequest(method=method, secret=_string(part, "id", TOKEN), **project)
    if method == CREDENTIAL:
        return _credential(_part(identity, CREDENTIAL, "identity"))
    raise Unauthorized(f"Method {method!r} is not served; use password or application_credential.")


def _credential(part: Mapping[str, Any]) -> LoginRequest:
    secret = _string(part, "secret", CREDENTIAL)
    if "id" in part:
        return LoginRequest(
            method=CREDENTIAL, secret=secret, credential_id=_string(part, "id", CREDENTIAL)
        )
    user = _part(part, "user", CREDENTIAL)
    name = _string(part, "name", CREDENTIAL)
    return LoginRequest(method=CREDENTIAL, secret=secret, credential_name=name, **_user(user))


def _user(user: Mapping[str, Any]) -> dict[str, Any]:
    if "id" in user:
        return {"user_id": _string(user, "id", "user")}
    _default_domain(user.get("domain"))
    return {"user_name": _string(user, "name", "user")}


def _scope(scope: object) -> dict[str, Any]:
    """Which project; nothing for a token that is for no project yet."""
    if scope in (None, "unscoped", {"unscoped": {}}):
        return {}
    if not isinstance(scope, dict) or "project" not in scope:
        raise Unauthorized("Only projects can be asked for; there are no roles elsewhere.")
    project = _part(scope, "project", "scope")
    if "id" in project:
        return {"project_id": _string(project, "id", "project")}
    _default_domain(project.get("domain"))
    return {"project_name": _string(project, "name", "project")}


def _default_domain(domain: object) -> None:
    """There is one domain, by its ID or its name."""
    if not isinstance(domain, dict):
        raise BadRequest('Give the domain: {"id": "default"}.')
    right = domain.get("id") == DOMAIN_ID
    if not right and str(domain.get("name", "")).lower() != DOMAIN_NAME.lower():
        raise Unauthorized(REFUSED)


def _part(raw: object, name: str, inside: str) -> Mapping[str, Any]:
    found = raw.get(name) if isinstance(raw, Mapping) else None
    if not isinstance(found, dict):
        raise BadRequest(f'Give "{name}" in {inside}.')
    return found


def _string(part: Mapping[str, Any], name: str, inside: str) -> str:
    found = part.get(name)
    if not isinstance(found, str):
        raise BadRequest(f'Give "{name}" in {inside}.')
    return found
