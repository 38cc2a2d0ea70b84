"""What the scheduler is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abaca.model.share_network import ShareNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRequest:
    """One share instance that needs a place."""

    share_id: str
    project_id: str
    """The requesting project: share servers are never shared between projects."""
    size_gib: int
    protocol: str
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    """Of the share type, as the administrator wrote them."""
    share_network: ShareNetwork | None = None
    """The effective one, with its subnets: asked for or by default."""
    availability_zone: str | None = None
    """By name."""
    source_host: str | None = None
    """``host@backend`` of the share whose snapshot is cloned: it must land there."""
    same_host: frozenset[str] = frozenset()
    """``host@backend`` of the shares that the hint ``same_host`` names; all must be the place."""
    different_host: frozenset[str] = frozenset()
    """``host@backend`` of the shares that the hint ``different_host`` names."""
    only_host: str | None = None
    """``host@backend#pool``, ``host@backend`` or ``host``: no other place will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a pool can't take a request, worded for one pool and for several.

    Tenants read both: they name no host, and no extra spec that tenants don't see.
    """

    one: str
    """Follows "1", for example ``lacks 10 GiB free``."""
    many: str
    """Follows a number above one, for example ``lack 10 GiB free``."""
    hidden: str = ""
    """What administrators are told besides: ``thin = <is> True``."""

    @property
    def whole(self) -> str:
        """``one``, with what is for administrators."""
        return f"{self.one}: {self.hidden}" if self.hidden else self.one


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a share instance goes; everything here is recorded when this is returned."""

    host: str
    """``host@backend``"""
    pool: str
    availability_zone: str
    share_server_id: str | None
    """None in single_svm."""
    export_id: int
    """Never given twice on the same share server (the same backend in single_svm)."""
    effective_share_network_id: str | None
    """None in single_svm, which ignores the share network."""
    lane: str
    """For the task queue: the share server's ID, or the share's in single_svm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlace:
    """No pool can take the request."""

    reasons: tuple[tuple[int, Refusal], ...]
    """How many pools were refused, and why; most frequent first."""
    message: str
    """For the user: one sentence with every reason and its count."""
