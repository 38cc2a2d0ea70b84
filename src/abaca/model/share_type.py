"""A share type: what a request asks of a backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareType:
    """A share type with its extra specs."""

    id: str
    name: str
    description: str | None
    is_public: bool
    created_at: datetime
    updated_at: datetime | None
    extra_specs: Mapping[str, str] = field(default_factory=dict)
