"""A small part of the Identity v3 API: what the API's clients need to log in and look around.

Source: the public Identity API v3 reference. There is one domain, ``Default``.
Everything is below ``/identity/v3``; ``/identity`` and ``/identity/v3`` are
both good as ``auth_url``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import falcon

from abaca.api import bodies
from abaca.api.auth import login_request
from abaca.api.auth.catalog import catalog
from abaca.api.auth.login_request import parse
from abaca.api.bodies import Body, Key
from abaca.api.microversion import MIN
from abaca.api.reading import read_json
from abaca.api.rendering import write_json
from abaca.api.settings import ApiSettings
from abaca.api.urls import address, base_url
from abaca.db import identity as db
from abaca.db.database import Database
from abaca.errors import BadRequest, Forbidden, NotFound, Unauthorized
from abaca.identity.login import REFUSED, Login, Session
from abaca.identity.roles import ADMIN
from abaca.model.user import ApplicationCredential, Project, User

PREFIX = "/identity"
DOMAIN_ID = login_request.DOMAIN_ID
DOMAIN = {"id": DOMAIN_ID, "name": login_request.DOMAIN_NAME}
UPDATED = "2026-11-01T00:00:00Z"

_CREDENTIAL = Body(
    "application_credential",
    (
        Key(name="name", check=bodies.name(), required=True),
        Key(name="secret", check=bodies.text(least=16, most=1024)),
        Key(name="description", check=bodies.text()),
        Key(name="expires_at", check=bodies.text()),
        Key(name="roles", check=bodies.anything()),
    ),
)


@dataclass(frozen=True, slots=True)
class IdentityApi:
    """Its resources; one method each."""

    login: Login
    settings: ApiSettings
    database: Database

    def mount(self, app: falcon.App[Any, Any]) -> None:
        """Add the routes."""
        app.add_route(PREFIX, self, suffix="root")
        for path, suffix in (
            ("", "version"),
            ("/auth/tokens", "tokens"),
            ("/auth/catalog", "catalog"),
            ("/auth/projects", "my_projects"),
            ("/projects", "projects"),
            ("/projects/{project_id}", "project"),
            ("/users", "users"),
            ("/users/{user_id}", "user"),
            ("/users/{user_id}/projects", "my_projects"),
            ("/users/{user_id}/application_credentials", "credentials"),
            ("/users/{user_id}/application_credentials/{credential_id}", "credential"),
            ("/domains", "domains"),
            ("/domains/{domain_id}", "domain"),
        ):
            app.add_route(f"{PREFIX}/v3{path}", self, suffix=suffix)

    def _version(self, req: falcon.Request) -> dict[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": UPDATED,
            "links": [
                {"rel": "self", "href": f"{base_url(req, self.settings)}{PREFIX}/v3/"},
            ],
            "media-types": [
                {
                    "base": "application/json",
                    "type": "application/vnd.openstack.identity-v3+json",
                }
            ],
        }

    def on_get_root(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Which versions there are."""
        write_json(resp, {"versions": {"values": [self._version(req)]}}, 300)

    def on_get_version(self, req: falcon.Request, resp: falcon.Response) -> None:
        """This version."""
        write_json(resp, {"version": self._version(req)}, 200)

    def on_post_tokens(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Log in."""
        wanted = parse(read_json(req, self.settings.max_body_bytes))
        text, session = wanted.login(self.login, self.database, address(req, self.settings))
        resp.set_header("X-Subject-Token", text)
        write_json(resp, self._token(req, session), 201)

    def on_get_tokens(self, req: falcon.Request, resp: falcon.Response) -> None:
        """What a token says: the caller's own, or (administrators) anybody's."""
        text, session = self._subject(req)
        resp.set_header("X-Subject-Token", text)
        write_json(resp, self._token(req, session), 200)

    def on_head_tokens(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Whether a token is valid."""
        text, _ = self._subject(req)
        resp.set_header("X-Subject-Token", text)
        resp.status = 200

    def on_delete_tokens(self, req: falcon.Request, resp: falcon.Response) -> None:
        """End a token before its time."""
        text, _ = self._subject(req)
        self.login.end(text)
        resp.status = 204

    def on_get_catalog(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Where the services are."""
        session = self._session(req)
        found = catalog(base_url(req, self.settings)) if session.project else []
        url = f"{base_url(req, self.settings)}{PREFIX}/v3/auth/catalog"
        write_json(resp, {"catalog": found, "links": {"self": url}}, 200)

    def on_get_my_projects(
        self, req: falcon.Request, resp: falcon.Response, user_id: str | None = None
    ) -> None:
        """Projects that a user has a role in; of another user only to administrators."""
        session = self._session(req)
        wanted = user_id or session.user.id
        if wanted != session.user.id:
            _admin(session)
        with self.database.read() as tx:
            found = db.list_projects(tx, wanted)
        write_json(resp, {"projects": [_project(item) for item in found], "links": {}}, 200)

    def on_get_projects(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Projects: all to administrators, else the caller's own; ``name`` filters."""
        session = self._session(req)
        mine = None if _is_admin(session) else session.user.id
        with self.database.read() as tx:
            found = db.list_projects(tx, mine)
        name = req.get_param("name")
        shown = [_project(item) for item in found if name in {None, item.name}]
        write_json(resp, {"projects": shown, "links": {}}, 200)

    def on_get_project(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """One project."""
        session = self._session(req)
        with self.database.read() as tx:
            found = db.project_with_id(tx, project_id)
            mine = found is not None and bool(db.roles(tx, session.user.id, found.id))
        if found is None or not (mine or _is_admin(session)):
            raise NotFound(f"Could not find project: {project_id}.")
        write_json(resp, {"project": _project(found)}, 200)

    def on_get_users(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Users: all to administrators, else the caller; ``name`` filters."""
        session = self._session(req)
        with self.database.read() as tx:
            found = db.list_users(tx) if _is_admin(session) else [session.user]
        name = req.get_param("name")
        shown = [_user(item) for item in found if name in {None, item.name}]
        write_json(resp, {"users": shown, "links": {}}, 200)

    def on_get_user(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> None:
        """One user."""
        session = self._session(req)
        with self.database.read() as tx:
            found = db.user_with_id(tx, user_id)
        if found is None or not (found.id == session.user.id or _is_admin(session)):
            raise NotFound(f"Could not find user: {user_id}.")
        write_json(resp, {"user": _user(found)}, 200)

    def on_get_domains(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The one domain."""
        self._session(req)
        right = req.get_param("name") in {None, DOMAIN["name"]}
        shown = [{**DOMAIN, "enabled": True}] if right else []
        write_json(resp, {"domains": shown, "links": {}}, 200)

    def on_get_domain(self, req: falcon.Request, resp: falcon.Response, domain_id: str) -> None:
        """The one domain."""
        self._session(req)
        if domain_id != DOMAIN_ID:
            raise NotFound(f"Could not find domain: {domain_id}.")
        write_json(resp, {"domain": {**DOMAIN, "enabled": True}}, 200)

    def on_get_credentials(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> None:
        """The caller's application credentials; never their secrets."""
        session = self._own(req, user_id)
        with self.database.read() as tx:
            found = db.credentials_of(tx, session.user.id)
        name = req.get_param("name")
        shown = [_credential(item) for item in found if name in {None, item.name}]
        write_json(resp, {"application_credentials": shown, "links": {}}, 200)

    def on_post_credentials(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> None:
        """Make one; its secret is told only here."""
        session = self._own(req, user_id)
        body = _CREDENTIAL.parse(read_json(req, self.settings.max_body_bytes), MIN)
        made = self.login.make_credential(
            session,
            name=body["name"],
            roles=_roles(body.get("roles")),
            expires_at=_moment(body.get("expires_at")),
            secret=body.get("secret"),
        )
        shown = {**_credential(made.credential), "secret": made.secret}
        write_json(resp, {"application_credential": shown}, 201)

    def on_get_credential(
        self, req: falcon.Request, resp: falcon.Response, user_id: str, credential_id: str
    ) -> None:
        """One of the caller's application credentials."""
        found = self._credential(req, user_id, credential_id)
        write_json(resp, {"application_credential": _credential(found)}, 200)

    def on_delete_credential(
        self, req: falcon.Request, resp: falcon.Response, user_id: str, credential_id: str
    ) -> None:
        """Remove one; its tokens end with it."""
        found = self._credential(req, user_id, credential_id)
        with self.database.write() as tx:
            db.remove_credential(tx, found.id)
        resp.status = 204

    def _session(self, req: falcon.Request) -> Session:
        text = req.get_header("X-Auth-Token")
        if not text:
            raise Unauthorized(REFUSED)
        return self.login.session(text)

    def _own(self, req: falcon.Request, user_id: str) -> Session:
        session = self._session(req)
        if user_id != session.user.id:
            raise Forbidden("Application credentials are their user's own.")
        return session

    def _credential(
        self, req: falcon.Request, user_id: str, credential_id: str
    ) -> ApplicationCredential:
        session = self._own(req, user_id)
        with self.database.read() as tx:
            found = db.credential(tx, credential_id)
        if found is None or found.user_id != session.user.id:
            raise NotFound(f"Could not find application credential: {credential_id}.")
        return found

    def _subject(self, req: falcon.Request) -> tuple[str, Session]:
        """The token asked about, which may be another's only for an administrator."""
        asking = self._session(req)
        text = req.get_header("X-Subject-Token")
        if not text:
            raise BadRequest("Give the token in the header X-Subject-Token.")
        try:
            subject = self.login.session(text)
        except Unauthorized:
            raise NotFound("Could not find token.") from None
        if subject.user.id != asking.user.id:
            _admin(asking)
        return text, subject

    def _token(self, req: falcon.Request, session: Session) -> dict[str, Any]:
        token = session.token
        shown: dict[str, Any] = {
            "methods": list(token.methods),
            "user": {
                "id": session.user.id,
                "name": session.user.name,
                "domain": DOMAIN,
                "password_expires_at": None,
            },
            "audit_ids": [token.audit_id],
            "issued_at": _zulu(token.issued),
            "expires_at": _zulu(token.expires),
        }
        if session.project is not None:
            project = session.project
            shown["project"] = {"id": project.id, "name": project.name, "domain": DOMAIN}
            shown["is_domain"] = False
            shown["roles"] = [{"id": role, "name": role} for role in sorted(session.roles)]
            if not req.get_param_as_bool("nocatalog", default=False):
                shown["catalog"] = catalog(base_url(req, self.settings))
        if session.credential is not None:
            credential = session.credential
            shown["application_credential"] = {
                "id": credential.id,
                "name": credential.name,
                "restricted": True,
            }
        return {"token": shown}


def _is_admin(session: Session) -> bool:
    return ADMIN in session.roles


def _admin(session: Session) -> None:
    if not _is_admin(session):
        raise Forbidden("You are not authorized to perform the requested action.")


def _zulu(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _project(item: Project) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "description": item.description or "",
        "enabled": item.enabled,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "tags": [],
        "options": {},
        "links": {},
    }


def _user(item: User) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "enabled": item.enabled,
        "domain_id": DOMAIN_ID,
        "password_expires_at": None,
        "options": {},
        "links": {},
    }


def _credential(item: ApplicationCredential) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "description": None,
        "project_id": item.project_id,
        "roles": [{"id": role, "name": role} for role in item.roles],
        "expires_at": _zulu(item.expires_at.timestamp()) if item.expires_at else None,
        "unrestricted": False,
        "links": {},
    }


def _roles(given: object) -> frozenset[str] | None:
    """``[{"name": ...}]`` or ``[{"id": ...}]``, here both the name; an empty list means all."""
    if given is None or given == []:
        return None
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise BadRequest('roles: give [{"name": ...}].')
    return frozenset(str(item.get("name") or item.get("id")) for item in given)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"expires_at={text!r}: give a time as 2026-12-31T23:59:59Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
