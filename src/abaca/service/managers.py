"""Share managers from a configuration: each backend with its driver and network plugin."""

from __future__ import annotations

import functools
from dataclasses import replace

from abaca.config import BackendConfig, Config, NetworkConfig
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry
from abaca.drivers.driver import ADMIN_WIRE, Adopts, BackendHost, Driver, HasFabric, Transfers
from abaca.manager.backend import Backend, BackendNetwork
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.modes import DriverMode
from abaca.network.plugin import NetworkPlugin, PluginHost
from abaca.service.address_pools import known_pools
from abaca.service.observing import watched_backend
from abaca.service.state import deployment
from abaca.work.worker import WorkOptions

POWERS = {
    "snapshot_support": True,
    "create_share_from_snapshot_support": True,
    "revert_to_snapshot_support": True,
    "mount_snapshot_support": False,
}
"""What every driver can do, since its contract has it; a driver's pools may report otherwise."""


def make_backends(config: Config, db: Database) -> list[Backend]:
    """The backends' drivers and plugins, ready to be started."""
    digits = deployment(config.service)
    return [watched_backend(_backend(config, backend, db, digits)) for backend in config.backends]


def _backend(config: Config, backend: BackendConfig, db: Database, digits: str) -> Backend:
    host = backend.host.partition("@")[0]
    driver = backend.driver.from_config(
        backend.name,
        backend.values,
        BackendHost(
            backend=backend.name,
            mode=backend.mode,
            host=host,
            state_path=config.service.state_path,
            deployment=digits,
        ),
    )
    network = backend.network
    lent = PluginHost(
        name=host,
        mode=backend.mode,
        ledger=DatabaseLedger(db),
        registry=DatabaseRegistry(db),
        fabric=driver.fabric if isinstance(driver, HasFabric) else None,
    )
    return Backend(
        name=backend.name,
        host=backend.host,
        mode=backend.mode,
        driver=driver,
        plugin=_plugin(network, lent) if network else None,
        network_section=network.section if network else None,
        availability_zone=backend.availability_zone,
        admin=_admin(backend, lent),
        capabilities=_capabilities(backend, driver),
    )


def _capabilities(backend: BackendConfig, driver: Driver) -> dict[str, str | bool | float]:
    has_servers = backend.mode.has_share_servers
    return {
        **POWERS,
        "share_backend_name": backend.share_backend_name,
        "share_server_manage_support": has_servers and isinstance(driver, Adopts),
        "share_transfer_support": not has_servers and isinstance(driver, Transfers),
    }


def _plugin(network: NetworkConfig, lent: PluginHost) -> NetworkPlugin:
    return network.plugin.from_config(network.section, network.values, lent)


def _admin(backend: BackendConfig, lent: PluginHost) -> BackendNetwork | None:
    network = backend.admin_network
    if network is None:
        return None
    flat = replace(lent, mode=DriverMode.FLAT, flat_wire=ADMIN_WIRE)
    return BackendNetwork(section=network.section, mode=flat.mode, plugin=_plugin(network, flat))


def make_manager(config: Config, db: Database) -> ShareManager:
    """The share managers of this host, not yet started."""
    work = config.work
    options = ManagerOptions(
        work=WorkOptions(
            threads=work.workers,
            lease_seconds=work.lease_seconds,
            deadline_seconds=work.task_deadline_seconds,
        ),
        share_server_idle_seconds=work.share_server_idle_seconds,
        report_seconds=work.report_seconds,
        supervise_seconds=work.supervise_seconds,
        audit_seconds=work.audit_seconds,
        orphan_seconds=work.orphan_seconds,
    )
    pools = functools.partial(known_pools, config, db)
    return ShareManager(db, make_backends(config, db), options, pools)
