"""From a credential to a user, and from a token to who asks."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from abaca.db import identity as db
from abaca.db.database import Database, Tx
from abaca.db.tables import now
from abaca.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from abaca.identity.passwords import Failures, Hasher
from abaca.identity.roles import with_implied
from abaca.identity.tokens import Token, Tokens
from abaca.model.user import ApplicationCredential, Project, User

REFUSED = "The request you have made requires authentication."
PASSWORD = "password"  # noqa: S105 - the name of a method
CREDENTIAL = "application_credential"
TOKEN = "token"  # noqa: S105 - same


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A valid token: who, where (None: nowhere yet), and with which roles now."""

    token: Token
    user: User
    project: Project | None
    roles: frozenset[str]
    """With those that they include."""
    credential: ApplicationCredential | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A new application credential; the secret is not kept anywhere."""

    credential: ApplicationCredential
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """Checks credentials and tokens. Thread-safe."""

    database: Database
    hasher: Hasher
    failures: Failures
    tokens: Tokens

    def by_password(
        self, user: str, password: str, project: str | None, *, address: str, by_id: bool = False
    ) -> tuple[str, Session]:
        """A token for the user of this name (or ID), in the project (or nowhere yet)."""
        found = self.user(user, password, address=address, by_id=by_id)
        return self.start(found, project, (PASSWORD,))

    def user(self, user: str, password: str, *, address: str, by_id: bool = False) -> User:
        """The user whose password it is; `Unauthorized` (never saying why) if it is not."""
        self.failures.check(user, address)
        with self.database.read() as tx:
            found = db.user_with_id(tx, user) if by_id else db.user_named(tx, user)
        right = self.hasher.check(found.password_hash if found else None, password)
        if found is None or not right or not found.enabled:
            self.failures.failed(user, address)
            raise Unauthorized(REFUSED)
        self.failures.succeeded(user, address)
        return found

    def by_credential(
        self, secret: str, *, address: str, credential_id: str | None, name: str | None, user: str
    ) -> tuple[str, Session]:
        """A token in the project of an application credential, found by ID, or by name and user."""
        who = credential_id or f"{user}/{name}"
        self.failures.check(who, address)
        with self.database.read() as tx:
            found = _credential(tx, credential_id, name, user)
        right = self.hasher.check(found.secret_hash if found else None, secret)
        if found is None or not right or _expired(found):
            self.failures.failed(who, address)
            raise Unauthorized(REFUSED)
        self.failures.succeeded(who, address)
        with self.database.read() as tx:
            owner = db.user_with_id(tx, found.user_id)
        if owner is None:
            raise Unauthorized(REFUSED)
        return self.start(owner, found.project_id, (CREDENTIAL,), credential=found)

    def by_token(self, text: str, project: str | None) -> tuple[str, Session]:
        """Another token for the same user, in another project; not longer than the first."""
        session = self.session(text)
        if session.credential is not None:
            raise Forbidden("A token of an application credential stays in its project.")
        methods = tuple(dict.fromkeys((*session.token.methods, TOKEN)))
        return self.start(session.user, project, methods, expires=session.token.expires)

    def start(
        self,
        user: User,
        project: str | None,
        methods: tuple[str, ...],
        *,
        credential: ApplicationCredential | None = None,
        expires: float | None = None,
    ) -> tuple[str, Session]:
        """A token for a user who has proved who they are; `Unauthorized` without a role there."""
        limit = credential.expires_at if credential else None
        text, token = self.tokens.make(
            user.id,
            project,
            methods,
            credential_id=credential.id if credential else None,
            expires=limit.timestamp() if limit else expires,
        )
        return text, self._session(token)

    def session(self, text: str) -> Session:
        """What a token means now: roles and all are looked up, so a change counts at once."""
        return self._session(self.tokens.open(text))

    def end(self, text: str) -> None:
        """Refuse this token from now on."""
        token = self.tokens.open(text)
        with self.database.write() as tx:
            db.revoke_token(tx, token.audit_id, datetime.fromtimestamp(token.expires, UTC))

    def _session(self, token: Token) -> Session:
        with self.database.read() as tx:
            user = db.user_with_id(tx, token.user_id)
            if user is None or not user.enabled or db.is_revoked(tx, token.audit_id):
                raise Unauthorized(REFUSED)
            valid_from = user.tokens_valid_from
            if valid_from is not None and token.issued < valid_from.timestamp():
                raise Unauthorized(REFUSED)
            credential = db.credential(tx, token.credential_id) if token.credential_id else None
            if token.credential_id and (credential is None or _expired(credential)):
                raise Unauthorized(REFUSED)
            project = db.project_with_id(tx, token.project_id) if token.project_id else None
            if token.project_id and (project is None or not project.enabled):
                raise Unauthorized(REFUSED)
            given = db.roles(tx, user.id, project.id) if project else frozenset[str]()
        roles = with_implied(given)
        if credential is not None:
            roles &= with_implied(credential.roles)
        if project is not None and not roles:
            raise Unauthorized(REFUSED)
        return Session(token=token, user=user, project=project, roles=roles, credential=credential)

    def make_credential(
        self,
        session: Session,
        *,
        name: str,
        roles: frozenset[str] | None,
        expires_at: datetime | None,
        secret: str | None = None,
    ) -> Secret:
        """An application credential for the session's user and project, with some of their roles.

        A session that itself comes from one can't make others.
        """
        if session.project is None or session.credential is not None:
            raise Forbidden("Make application credentials with a password, in a project.")
        wanted = session.roles if roles is None else roles
        if not wanted or wanted - session.roles:
            raise BadRequest(f"Roles: give some of {', '.join(sorted(session.roles))}.")
        chosen = secret or secrets.token_urlsafe(32)
        hashed = self.hasher.hash(chosen)
        with self.database.write() as tx:
            if any(c.name == name for c in db.credentials_of(tx, session.user.id)):
                raise Conflict(f"Application credential {name} already exists.")
            made = db.credential(
                tx,
                db.add_credential(
                    tx,
                    name=name,
                    user_id=session.user.id,
                    project_id=session.project.id,
                    secret_hash=hashed,
                    roles=tuple(sorted(wanted)),
                    expires_at=expires_at,
                ),
            )
        if made is None:
            raise NotFound(f"Application credential {name} could not be found.")
        return Secret(credential=made, secret=chosen)


def _credential(
    tx: Tx, credential_id: str | None, name: str | None, user: str
) -> ApplicationCredential | None:
    if credential_id:
        return db.credential(tx, credential_id)
    owner = db.user(tx, user)
    found = db.credentials_of(tx, owner.id) if owner else []
    return next((item for item in found if item.name == name), None)


def _expired(credential: ApplicationCredential) -> bool:
    return credential.expires_at is not None and credential.expires_at <= now()
