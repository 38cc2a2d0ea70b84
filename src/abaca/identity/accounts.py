"""Users, projects and roles: made and changed by administrators."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from abaca.db import identity as db
from abaca.db.database import Database, Tx
from abaca.db.tables import now
from abaca.errors import BadRequest, Conflict, NotFound
from abaca.identity.passwords import Hasher
from abaca.identity.roles import ADMIN, ROLES
from abaca.model.user import Project, User

LEAST_PASSWORD = 8
MOST_PASSWORD = 1024
MOST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """The first administrator, as just made. The password is not kept anywhere."""

    user: User
    project: Project
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accounts:
    """What administrators do with users and projects."""

    database: Database
    hasher: Hasher

    def users(self) -> list[tuple[User, tuple[str, ...]]]:
        """Every user, by name, with ``role in project`` texts."""
        with self.database.read() as tx:
            names = {project.id: project.name for project in db.list_projects(tx)}
            given: dict[str, list[str]] = {}
            for user_id, project_id, role in db.assignments(tx):
                given.setdefault(user_id, []).append(f"{role} in {names.get(project_id)}")
            return [(user, tuple(given.get(user.id, ()))) for user in db.list_users(tx)]

    def projects(self) -> list[Project]:
        """Every project, by name."""
        with self.database.read() as tx:
            return db.list_projects(tx)

    def project(self, name_or_id: str) -> Project:
        """The project of this name or ID; `NotFound` if there is none."""
        with self.database.read() as tx:
            return sure_project(tx, name_or_id)

    def create_user(self, name: str, password: str) -> User:
        """Make a user without any role; `Conflict` if the name is taken."""
        hashed = self.hasher.hash(_good_password(password))
        with self.database.write() as tx:
            return _made_user(tx, name, hashed)

    def set_password(self, name_or_id: str, password: str) -> None:
        """Set a password, and end the sessions that the old one began."""
        hashed = self.hasher.hash(_good_password(password))
        with self.database.write() as tx:
            user = sure_user(tx, name_or_id)
            db.change_user(tx, user.id, {"password_hash": hashed, "tokens_valid_from": now()})

    def set_enabled(self, name_or_id: str, *, enabled: bool) -> None:
        """Lock a user out (tokens included), or let them in again."""
        with self.database.write() as tx:
            user = sure_user(tx, name_or_id)
            values: dict[str, object] = {"enabled": enabled}
            if not enabled:
                values["tokens_valid_from"] = now()
            db.change_user(tx, user.id, values)

    def delete_user(self, name_or_id: str) -> None:
        """Remove a user; what they made stays with its project. `Conflict` for the last admin."""
        with self.database.write() as tx:
            user = sure_user(tx, name_or_id)
            if _administrators(tx) == {user.id}:
                raise Conflict(f"User {user.name} is the last administrator; make another first.")
            db.remove_user(tx, user.id)

    def create_project(self, name: str, description: str | None = None) -> Project:
        """Make a project; `Conflict` if the name is taken."""
        with self.database.write() as tx:
            return _made_project(tx, name, description)

    def delete_project(self, name_or_id: str) -> None:
        """Remove a project; `Conflict` while it has shares, networks or servers."""
        with self.database.write() as tx:
            project = sure_project(tx, name_or_id)
            uses = db.project_uses(tx, project.id)
            if uses:
                raise Conflict(
                    f"Project {project.name} still has {uses} shares, snapshots, share networks"
                    " or share servers; delete them first."
                )
            db.remove_project(tx, project.id)

    def grant(self, user: str, project: str, role: str) -> None:
        """Give a role in a project; giving it again changes nothing."""
        if role not in ROLES:
            raise BadRequest(f"Role {role!r}: give one of {', '.join(ROLES)}.")
        with self.database.write() as tx:
            db.grant(tx, sure_user(tx, user).id, sure_project(tx, project).id, role)

    def revoke(self, user: str, project: str, role: str | None) -> None:
        """Take a role (None: all) in a project; it counts from the next request on."""
        with self.database.write() as tx:
            db.revoke(tx, sure_user(tx, user).id, sure_project(tx, project).id, role)

    def bootstrap(self, password: str | None = None) -> Administrator:
        """Make user ``admin`` in project ``admin``; `Conflict` if there is such a user.

        Without a password a random one is made.
        """
        chosen = password or secrets.token_urlsafe(18)
        hashed = self.hasher.hash(_good_password(chosen))
        with self.database.write() as tx:
            user = _made_user(tx, ADMIN, hashed)
            project = db.project(tx, ADMIN) or _made_project(tx, ADMIN, "Administrators")
            db.grant(tx, user.id, project.id, ADMIN)
        return Administrator(user=user, project=project, password=chosen)

    def first_start(self) -> Administrator | None:
        """The first administrator, if there is no user at all yet; else None."""
        with self.database.read() as tx:
            if db.list_users(tx):
                return None
        try:
            return self.bootstrap()
        except Conflict:
            return None  # another process of the same first start was quicker


def sure_user(tx: Tx, name_or_id: str) -> User:
    """The user, or `NotFound`."""
    found = db.user(tx, name_or_id)
    if found is None:
        raise NotFound(f"User {name_or_id} could not be found.")
    return found


def sure_project(tx: Tx, name_or_id: str) -> Project:
    """The project, or `NotFound`."""
    found = db.project(tx, name_or_id)
    if found is None:
        raise NotFound(f"Project {name_or_id} could not be found.")
    return found


def _made_user(tx: Tx, name: str, password_hash: str) -> User:
    if db.user(tx, _good_name(name)) is not None:
        raise Conflict(f"User {name} already exists.")
    return sure_user(tx, db.add_user(tx, name, password_hash))


def _made_project(tx: Tx, name: str, description: str | None) -> Project:
    if db.project(tx, _good_name(name)) is not None:
        raise Conflict(f"Project {name} already exists.")
    return sure_project(tx, db.add_project(tx, name, description))


def _administrators(tx: Tx) -> set[str]:
    return {user_id for user_id, _, role in db.assignments(tx) if role == ADMIN}


def _good_name(name: str) -> str:
    if not name.strip() or name != name.strip() or len(name) > MOST_NAME:
        raise BadRequest(
            f"Name {name!r}: give 1 to {MOST_NAME} characters, not blank at either end."
        )
    return name


def _good_password(password: str) -> str:
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise BadRequest(
            f"A password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters; this one has"
            f" {len(password)}."
        )
    return password
