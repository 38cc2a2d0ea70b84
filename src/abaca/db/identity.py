"""Queries on users, projects, roles, application credentials and revoked tokens."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, func, select, union_all, update

from abaca.db.database import Tx
from abaca.db.tables import (
    application_credentials,
    now,
    projects,
    quotas,
    revoked_tokens,
    role_assignments,
    share_networks,
    share_servers,
    share_type_projects,
    shares,
    snapshots,
    users,
)
from abaca.model.user import ApplicationCredential, Project, User

_roles = role_assignments.c


def _new_id() -> str:
    """As Keystone makes them: hexadecimal without dashes."""
    return uuid.uuid4().hex


def user(tx: Tx, name_or_id: str) -> User | None:
    """The user of this ID or, failing that, of this name."""
    return user_with_id(tx, name_or_id) or user_named(tx, name_or_id)


def user_with_id(tx: Tx, user_id: str) -> User | None:
    """The user of this ID."""
    return tx.one(User, select(users).where(users.c.id == user_id))


def user_named(tx: Tx, name: str) -> User | None:
    """The user of this name."""
    return tx.one(User, select(users).where(users.c.name == name))


def list_users(tx: Tx) -> list[User]:
    """Every user, by name."""
    return tx.all(User, select(users).order_by(users.c.name))


def add_user(tx: Tx, name: str, password_hash: str | None) -> str:
    """Make a user; the ID."""
    user_id = _new_id()
    tx.execute(
        users.insert(),
        {
            "id": user_id,
            "name": name,
            "password_hash": password_hash,
            "enabled": True,
            "created_at": now(),
        },
    )
    return user_id


def change_user(tx: Tx, user_id: str, values: Mapping[str, object]) -> None:
    """Set the password hash, enabled or tokens_valid_from."""
    tx.execute(update(users).where(users.c.id == user_id).values(**values, updated_at=now()))


def remove_user(tx: Tx, user_id: str) -> None:
    """Remove a user with roles and credentials."""
    tx.execute(delete(role_assignments).where(_roles.user_id == user_id))
    credentials = application_credentials
    tx.execute(delete(credentials).where(credentials.c.user_id == user_id))
    tx.execute(delete(users).where(users.c.id == user_id))


def project(tx: Tx, name_or_id: str) -> Project | None:
    """The project of this ID or, failing that, of this name; one that has a name."""
    found = project_with_id(tx, name_or_id)
    return found or tx.one(Project, select(projects).where(projects.c.name == name_or_id))


def project_with_id(tx: Tx, project_id: str) -> Project | None:
    """The project of this ID, one that has a name."""
    named = select(projects).where(projects.c.name.is_not(None))
    return tx.one(Project, named.where(projects.c.id == project_id))


def list_projects(tx: Tx, user_id: str | None = None) -> list[Project]:
    """Projects by name: all, or those in which the user has a role."""
    statement = select(projects).where(projects.c.name.is_not(None)).order_by(projects.c.name)
    if user_id is not None:
        mine = select(_roles.project_id).where(_roles.user_id == user_id)
        statement = statement.where(projects.c.id.in_(mine))
    return tx.all(Project, statement)


def add_project(tx: Tx, name: str, description: str | None) -> str:
    """Make a project; the ID."""
    project_id = _new_id()
    tx.execute(
        projects.insert(),
        {
            "id": project_id,
            "name": name,
            "description": description,
            "enabled": True,
            "version": 0,
            "created_at": now(),
        },
    )
    return project_id


def project_uses(tx: Tx, project_id: str) -> int:
    """How many shares, snapshots, share networks and share servers the project has."""
    counts = [
        select(func.count().label("n")).select_from(table).where(table.c.project_id == project_id)
        for table in (shares, snapshots, share_networks, share_servers)
    ]
    return int(tx.scalar(select(func.sum(union_all(*counts).subquery().c.n))) or 0)


def remove_project(tx: Tx, project_id: str) -> None:
    """Remove a project that has nothing, with its roles, credentials and quotas."""
    credentials = application_credentials
    tx.execute(delete(role_assignments).where(_roles.project_id == project_id))
    tx.execute(delete(credentials).where(credentials.c.project_id == project_id))
    tx.execute(delete(quotas).where(quotas.c.project_id == project_id))
    access = share_type_projects
    tx.execute(delete(access).where(access.c.project_id == project_id))
    tx.execute(delete(projects).where(projects.c.id == project_id))


def roles(tx: Tx, user_id: str, project_id: str) -> frozenset[str]:
    """The roles given to the user in the project."""
    statement = select(_roles.role).where(
        _roles.user_id == user_id, _roles.project_id == project_id
    )
    return frozenset(row.role for row in tx.execute(statement))


def assignments(tx: Tx) -> list[tuple[str, str, str]]:
    """Every (user ID, project ID, role)."""
    statement = select(_roles.user_id, _roles.project_id, _roles.role).order_by(
        _roles.user_id, _roles.project_id, _roles.role
    )
    return [(row.user_id, row.project_id, row.role) for row in tx.execute(statement)]


def grant(tx: Tx, user_id: str, project_id: str, role: str) -> None:
    """Give a role; giving it again changes nothing."""
    if role not in roles(tx, user_id, project_id):
        row = {"user_id": user_id, "project_id": project_id, "role": role}
        tx.execute(role_assignments.insert(), row)


def revoke(tx: Tx, user_id: str, project_id: str, role: str | None) -> None:
    """Take a role (None: all) in a project; taking what is not there succeeds."""
    statement = delete(role_assignments).where(
        _roles.user_id == user_id, _roles.project_id == project_id
    )
    tx.execute(statement if role is None else statement.where(_roles.role == role))


def credential(tx: Tx, credential_id: str) -> ApplicationCredential | None:
    """The application credential of this ID."""
    table = application_credentials
    return tx.one(ApplicationCredential, select(table).where(table.c.id == credential_id))


def credentials_of(tx: Tx, user_id: str) -> list[ApplicationCredential]:
    """The user's application credentials, by name."""
    table = application_credentials
    return tx.all(
        ApplicationCredential,
        select(table).where(table.c.user_id == user_id).order_by(table.c.name),
    )


def add_credential(
    tx: Tx,
    *,
    name: str,
    user_id: str,
    project_id: str,
    secret_hash: str,
    roles: tuple[str, ...],
    expires_at: datetime | None,
) -> str:
    """Make an application credential; the ID."""
    credential_id = _new_id()
    tx.execute(
        application_credentials.insert(),
        {
            "id": credential_id,
            "name": name,
            "user_id": user_id,
            "project_id": project_id,
            "secret_hash": secret_hash,
            "roles": list(roles),
            "expires_at": expires_at,
            "created_at": now(),
        },
    )
    return credential_id


def remove_credential(tx: Tx, credential_id: str) -> None:
    """Remove an application credential; removing what is not there succeeds."""
    table = application_credentials
    tx.execute(delete(table).where(table.c.id == credential_id))


def is_revoked(tx: Tx, audit_id: str) -> bool:
    """Whether the token was given back."""
    column = revoked_tokens.c.audit_id
    return tx.scalar(select(column).where(column == audit_id)) is not None


def revoke_token(tx: Tx, audit_id: str, expires_at: datetime) -> None:
    """Refuse this token from now on, and forget those that have expired meanwhile."""
    tx.execute(delete(revoked_tokens).where(revoked_tokens.c.expires_at < now()))
    if not is_revoked(tx, audit_id):
        tx.execute(revoked_tokens.insert(), {"audit_id": audit_id, "expires_at": expires_at})
