"""What the API needs to know of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abaca.model.quota import DEFAULT_LIMITS, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Typed and handed down; the configuration makes one."""

    public_endpoint: str | None = None
    """Base of the URLs in answers (``https://shares.example.org``); None: as the client called."""
    trusted_proxy: frozenset[str] = frozenset()
    """Addresses whose ``X-Forwarded-*`` headers are believed."""
    max_limit: int = 1000
    """Longest page of a list."""
    default_share_type: str | None = None
    """Name or ID of the type of requests that name none."""
    default_share_network: str | None = None
    """Name or ID of the share network of requests that name none and need one."""
    max_body_bytes: int = 114_688
    quota_limits: Mapping[Resource, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    """Limits of a project for which nothing else was set (``quota_shares`` and so on)."""
