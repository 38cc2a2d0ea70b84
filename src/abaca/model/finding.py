"""What an audit found: where the ledger (the database) and the world differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    """On which side it is missing."""

    MISSING_IN_WORLD = "missing_in_world"
    """The ledger has it; driver or plugin have it no more."""
    MISSING_IN_LEDGER = "missing_in_ledger"
    """It is there, and belongs to nobody."""
    NOT_ASKED = "not_asked"
    """Driver or plugin could not be asked: nobody knows."""


class FindingState(StrEnum):
    """How sure it is, and what became of it."""

    SUSPECTED = "suspected"
    """Seen by one look; the next one confirms it, or finds that it was work in progress."""
    FOUND = "found"
    REPAIRED = "repaired"


class Wanted(StrEnum):
    """What an administrator asked an audit for."""

    AUDIT = "audit"
    """As the periodic one."""
    REPAIR = "repair"
    """Repair what is safe, however young."""


BACKEND = "backend"
SHARE_SERVER = "share_server"
SHARE = "share"
SNAPSHOT = "snapshot"
NETWORK = "network"
ADDRESS = "address"
ACCESS_RULE = "access_rule"
"""Kinds of findings; drivers add those of their own parts (``namespace``, ``subvolume``)."""
STRANGE_SERVER = (SHARE_SERVER, Direction.MISSING_IN_LEDGER)
"""Kind and direction of a share server that no row knows; it may use what no row claims."""
NOBODY_KNOWS = (BACKEND, Direction.NOT_ASKED)
"""Of a backend that may have such servers: its driver could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One difference, as a look saw it."""

    kind: str
    resource_id: str
    """The ledger's ID, or what the thing is called in the world."""
    direction: Direction
    detail: str = ""
    holds_data: bool = False
    """True: data may be lost if it is removed."""

    @property
    def key(self) -> tuple[str, str, str]:
        """By what the next look knows it again."""
        return self.kind, self.resource_id, str(self.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference, as it is remembered."""

    id: str
    host: str
    """``host@backend``"""
    kind: str
    resource_id: str
    direction: Direction
    detail: str
    first_seen: datetime
    last_seen: datetime
    confirmed_at: datetime | None
    repaired_at: datetime | None

    @property
    def backend(self) -> str:
        """The backend without its host."""
        return self.host.partition("@")[2]

    @property
    def key(self) -> tuple[str, str, str]:
        """As `Discrepancy.key`."""
        return self.kind, self.resource_id, str(self.direction)

    @property
    def state(self) -> FindingState:
        """How sure it is, and what became of it."""
        if self.repaired_at is not None:
            return FindingState.REPAIRED
        return FindingState.SUSPECTED if self.confirmed_at is None else FindingState.FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingCount:
    """How many findings of one sort there are, neither suspected only nor repaired."""

    host: str
    kind: str
    direction: Direction
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The audits of one backend: what is wanted, and when the last one was."""

    host: str
    """``host@backend``"""
    wanted: str | None
    """What somebody asked for and is not done yet (`Wanted`)."""
    wanted_at: datetime | None
    finished_at: datetime | None
    """When the last look ended."""

    @property
    def backend(self) -> str:
        """The backend without its host."""
        return self.host.partition("@")[2]
