"""What a manager tells the scheduler: that it lives, and what its pools have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from abaca.db import availability_zones, pools, services
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.errors import DriverError, NetworkError
from abaca.manager.backend import Backend
from abaca.model.pool import NETWORK_IDS_CAPABILITY, Pool
from abaca.network.plugin import KnowsIds, NetworkMaker
from abaca.steps import commit

log = structlog.get_logger()
REPORT = commit("pools.report")
NETWORKS = commit("pools.networks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Reports all backends of a manager."""

    db: Database
    backends: Collection[Backend]

    def report(self) -> None:
        """Write down that each backend is served, and its pools as they are now.

        A backend that does not answer is not seen: nothing more is placed on it.
        """
        found, silent = {}, {}
        for backend in self.backends:
            try:
                found[backend.host] = (backend, _pools(backend))
            except DriverError as error:
                log.warning("pools_not_reported", backend=backend.name, error=str(error))
                silent[backend.host] = (backend, str(error))
        with self.db.write(REPORT) as tx:
            for host, (backend, reported) in found.items():
                availability_zones.ensure(tx, backend.availability_zone)
                services.seen(tx, host, backend.availability_zone)
                services.note(tx, host, driver_error=None)
                pools.report(tx, host, reported)
            for host, (backend, why) in silent.items():
                services.expected(tx, host, backend.availability_zone)
                services.note(tx, host, driver_error=why)

    def ask_networks(self) -> None:
        """Write down whether each backend's network plugin could give out addresses now.

        Apart from `report`: a service elsewhere that hangs must not make the backend look dead.
        One without networks has no trouble with them, whatever it had before it was configured so.
        """
        found = {item.host: _trouble(item) for item in self.backends}
        with self.db.write(NETWORKS) as tx:
            for host, why in found.items():
                services.note(tx, host, network_error=why)


def _trouble(backend: Backend) -> str | None:
    """What is wrong with the backend's networks, as their plugins say; None if nothing is."""
    lines = []
    for network in backend.networks:
        try:
            network.plugin.status()
        except NetworkError as error:
            lines.append(f"[{network.section}] {error}")
    if not lines:
        return None
    log.warning("network_not_usable", backend=backend.name, errors=lines)
    return "; ".join(lines)


def _pools(backend: Backend) -> list[Pool]:
    plugin: object = backend.plugin
    makes = isinstance(plugin, NetworkMaker) and plugin.makes_networks()
    capabilities = dict(backend.capabilities)
    if isinstance(plugin, KnowsIds):
        capabilities[NETWORK_IDS_CAPABILITY] = ",".join(sorted(plugin.network_ids()))
    measured_at = now()
    return [
        Pool(
            host=backend.host,
            name=pool.name,
            backend=str(backend.capabilities.get("share_backend_name", backend.name)),
            driver_mode=backend.mode,
            availability_zone=backend.availability_zone,
            protocols=tuple(sorted(backend.driver.protocols)),
            makes_networks=makes,
            total_gib=pool.total_gib,
            free_gib=pool.free_gib,
            capabilities={**capabilities, **pool.capabilities},
            version=0,
            reported_at=measured_at,
        )
        for pool in backend.driver.pools()
    ]
