"""What the API needs to know of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

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
    admin_only_metadata: frozenset[str] = frozenset()
    """Keys of a share's metadata that only administrators set."""
    soft_deleted_seconds: int = 604_800
    """How long a share stays in the recycle bin."""
    transfer_seconds: int = 300
    """How long a share is offered to another project."""
    max_body_bytes: int = 114_688
    quota_limits: Mapping[Resource, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    """Limits of a project for which nothing else was set (``quota_shares`` and so on)."""


LIVE = ("default_share_type", "default_share_network", "quota_limits")
"""What a running service takes from its configuration file when it is told to (SIGHUP)."""


class CurrentSettings:
    """The settings that hold now. A request takes them once, and keeps them to its end."""

    def __init__(self, settings: ApiSettings) -> None:
        self._now = settings

    @property
    def now(self) -> ApiSettings:
        """As they are at this moment."""
        return self._now

    def change(self, wanted: ApiSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take over what may change live, at once; names of what changed, and of what waits.

        What waits for a restart differs from what holds, and is not taken over.
        """
        now = self._now
        differ = [f.name for f in fields(now) if getattr(wanted, f.name) != getattr(now, f.name)]
        changed = tuple(name for name in differ if name in LIVE)
        self._now = replace(now, **{name: getattr(wanted, name) for name in changed})
        return changed, tuple(name for name in differ if name not in LIVE)
