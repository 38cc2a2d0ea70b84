"""Whether this deployment works, as far as can be said in a bounded time without changing it.

The database is asked now; of drivers and network plugins it is said what their
managers wrote down when they last asked them (`abaca.manager.reports`).
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import structlog

from abaca.db import figures, migrate, services
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.errors import AbacaError
from abaca.model.pool import Service
from abaca.observe.bounded import SECONDS, Bounded

log = structlog.get_logger()
OVERDUE_SECONDS = 60.0
"""Workers look for expired leases once a second: after this long none does."""


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    DEGRADED = "degraded"
    """Something does not work, something still does."""
    FAILED = "failed"
    """Nothing can be done: the database is not usable, or no manager is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseHealth:
    """The database, as a round trip found it."""

    error: str | None
    revision: str | None = None
    needed: str = migrate.HEAD
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHealth:
    """A backend that is enabled."""

    backend: str
    """``host@backend``"""
    seen_seconds_ago: float
    manager: str | None
    """What is wrong with it; None if nothing is. The same of its driver and network."""
    driver: str | None
    network: str | None

    @property
    def ok(self) -> bool:
        """True if all of it works."""
        return self.manager is None and self.driver is None and self.network is None

    @property
    def abandoned(self) -> bool:
        """True if no manager looks after it: one that waits for its driver is not seen either."""
        return self.manager is not None and self.driver is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All that is known."""

    database: DatabaseHealth
    backends: tuple[BackendHealth, ...] = ()
    leases_expired: int = 0
    """Leases that ran out and were not taken over yet."""
    leases_overdue: int = 0
    """Of these, those that ran out more than `OVERDUE_SECONDS` ago: nobody does that work."""

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        nobody = bool(self.backends) and all(item.abandoned for item in self.backends)
        if self.database.error is not None or nobody:
            return Verdict.FAILED
        well = all(item.ok for item in self.backends) and not self.leases_overdue
        return Verdict.OK if well else Verdict.DEGRADED


class HealthCheck:
    """Asks; at most `abaca.observe.bounded.SECONDS` long, whatever hangs.

    ``hosts``: only of these ``host@backend``; None: of all that are enabled.
    """

    def __init__(
        self, db: Database, hosts: Collection[str] | None = None, seconds: float = SECONDS
    ) -> None:
        self._db = db
        self._hosts = None if hosts is None else frozenset(hosts)
        self._ask = Bounded(self._look, seconds)

    def __call__(self) -> Health:
        """How it is now."""
        try:
            return self._ask()
        except (AbacaError, TimeoutError) as error:
            return Health(database=DatabaseHealth(error=str(error)))
        except Exception as error:
            log.exception("health_not_found_out")
            return Health(database=DatabaseHealth(error=type(error).__name__))

    def _look(self) -> Health:
        started = time.monotonic()
        with self._db.read() as tx:
            schema = migrate.state_in(tx)
            good = schema.suits(migrate.HEAD)
            known = services.every(tx) if good else []
            expired = figures.leases_expired(tx) if good else 0
            overdue = figures.leases_expired(tx, seconds=OVERDUE_SECONDS) if expired else 0
        error = None
        if not good:
            error = (
                f"its schema is {schema.revision}, and this version needs {migrate.HEAD}: run "
                "`abaca db upgrade` of the newest version"
            )
        return Health(
            database=DatabaseHealth(
                error=error,
                revision=schema.revision,
                seconds=round(time.monotonic() - started, 4),
            ),
            backends=tuple(_backend(item) for item in known if self._wanted(item)),
            leases_expired=expired,
            leases_overdue=overdue,
        )

    def _wanted(self, service: Service) -> bool:
        if service.binary != services.SHARE_MANAGER or service.disabled:
            return False
        return self._hosts is None or service.host in self._hosts


def _backend(service: Service) -> BackendHealth:
    ago = max(0.0, (now() - service.seen_at).total_seconds())
    silent = None if services.is_up(service) else f"not seen for {ago:.0f} s"
    return BackendHealth(
        backend=service.host,
        seen_seconds_ago=round(ago, 1),
        manager=silent,
        driver=service.driver_error,
        network=service.network_error,
    )
