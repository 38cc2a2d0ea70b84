"""Users, projects and credentials of the `builtin` identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project."""

    id: str
    name: str | None
    description: str | None
    enabled: bool
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user; the hash never leaves the identity code."""

    id: str
    name: str
    password_hash: str | None = field(repr=False)
    enabled: bool
    tokens_valid_from: datetime | None
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredential:
    """A credential that stands for a user in one project, with some of their roles."""

    id: str
    name: str
    user_id: str
    project_id: str
    secret_hash: str = field(repr=False)
    roles: tuple[str, ...]
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
