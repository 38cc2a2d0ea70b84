"""Share managers from a configuration: each backend with its driver and network plugin."""

from __future__ import annotations

from abaca.config import BackendConfig, Config
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry
from abaca.drivers.driver import Adopts, BackendHost, HasFabric, Transfers
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.network.plugin import Fabric, NetworkPlugin, PluginHost
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
    return [_backend(config, backend, db, digits) for backend in config.backends]


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
    fabric = driver.fabric if isinstance(driver, HasFabric) else None
    return Backend(
        name=backend.name,
        host=backend.host,
        mode=backend.mode,
        driver=driver,
        plugin=_plugin(backend, host, db, fabric),
        network_section=backend.network.section if backend.network else None,
        availability_zone=backend.availability_zone,
        capabilities={
            **POWERS,
            "share_backend_name": backend.share_backend_name,
            "share_server_manage_support": (
                backend.mode.has_share_servers and isinstance(driver, Adopts)
            ),
            "share_transfer_support": (
                not backend.mode.has_share_servers and isinstance(driver, Transfers)
            ),
        },
    )


def _plugin(
    backend: BackendConfig, host: str, db: Database, fabric: Fabric | None
) -> NetworkPlugin | None:
    network = backend.network
    if network is None:
        return None
    lent = PluginHost(
        name=host,
        mode=backend.mode,
        ledger=DatabaseLedger(db),
        registry=DatabaseRegistry(db),
        fabric=fabric,
    )
    return network.plugin.from_config(network.section, network.values, lent)


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
    return ShareManager(db, make_backends(config, db), options)
