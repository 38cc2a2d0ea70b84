"""A security service: the domain that share servers of a share network would join."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SecurityServiceType(StrEnum):
    """What kind of directory it is."""

    LDAP = "ldap"
    KERBEROS = "kerberos"
    ACTIVE_DIRECTORY = "active_directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityService:
    """A security service; the password is in no representation of it."""

    id: str
    project_id: str
    type: SecurityServiceType
    name: str | None
    description: str | None
    dns_ip: str | None
    server: str | None
    domain: str | None
    ou: str | None
    user: str | None
    password: str | None = field(repr=False)
    default_ad_site: str | None
    created_at: datetime
    updated_at: datetime | None
    in_use: bool = False
    """True if a share network that has it has share servers."""
