"""Warns administrators in the log before a network runs out of addresses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from abaca.db.address_usage import crossings, usage
from abaca.db.database import Database
from abaca.network.plugin import AddressPool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressWatch:
    """Looks after the pools that this host's configuration knows."""

    db: Database
    known: Callable[[], Collection[AddressPool]]

    def look(self) -> None:
        """Warn of each that has become nearly full; once, whoever else looks after it too."""
        for item in crossings(self.db, usage(self.db, self.known(), others=False)):
            log.warning(
                "addresses_run_short",
                network=item.network,
                pool=item.pool,
                percent=item.percent,
                free=item.free,
                size=item.size,
            )
