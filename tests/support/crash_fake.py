"""The fake world of crash tests: two managed backends whose storage outlives the process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry
from abaca.drivers.driver import BackendHost
from abaca.drivers.fake import FakeDriver, FakeWorld
from abaca.manager.backend import Backend, BackendNetwork
from abaca.modes import DriverMode
from abaca.network.plugin import PluginHost
from abaca.network.standalone import StandalonePlugin
from abaca.share.share_servers import SUPPORT
from support.control_plane import Api, backend

MODE = DriverMode.MANAGED
SECTION = {"service_cidr": "10.254.0.0/16", "segmentation_ids": "2000-2999", "service_prefix": 24}
ADMINS = {"gateway": "10.66.0.1", "mask": "24"}
CAPACITY = {"first": 1000.0, "second": 100.0}


def backends(
    db: Database,
    folder: Path,
    *,
    fail: list[str] | None = None,
    addresses: int = 1,
    rebooted: bool = False,
    admins: bool = False,
) -> list[Backend]:
    """``first``, which gets the shares and the injected faults, and ``second``."""
    made = [
        _backend(db, folder, name, fail=(fail or []) if name == "first" else [], count=addresses)
        for name in CAPACITY
    ]
    if admins:
        network = _admins(db)
        made = [replace(item, admin=network) for item in made]
    for item in made:
        if rebooted and isinstance(item.driver, FakeDriver):
            item.driver.world.reboot()
    return made


def _admins(db: Database) -> BackendNetwork:
    """One network of the administrators' for both."""
    section, mode = "admins", DriverMode.FLAT
    plugin = StandalonePlugin.from_config(section, {**ADMINS}, _host(db, mode))
    return BackendNetwork(section=section, mode=mode, plugin=plugin)


def _host(db: Database, mode: DriverMode) -> PluginHost:
    return PluginHost(
        name="node1",
        mode=mode,
        ledger=DatabaseLedger(db),
        registry=DatabaseRegistry(db),
        fabric=None,
    )


def _backend(db: Database, folder: Path, name: str, *, fail: list[str], count: int) -> Backend:
    host = BackendHost(backend=name, mode=MODE, host="node1", state_path=folder, deployment="0a0b")
    values: dict[str, object] = {
        "fake_state_file": str(folder / f"{name}.json"),
        "fake_capacity_gib": CAPACITY[name],
        "fake_addresses": count,
        "fake_fail": fail,
    }
    section = f"net-{name}"
    made = backend(
        name,
        MODE,
        driver=FakeDriver.from_config(name, values, host),
        plugin=StandalonePlugin.from_config(section, {**SECTION}, _host(db, MODE)),
        section=section,
    )
    return replace(made, capabilities={**made.capabilities, SUPPORT: True})


def world(folder: Path, name: str) -> FakeWorld:
    """What exists for a backend."""
    file = folder / f"{name}.json"
    if not file.exists():
        return FakeWorld()
    return msgspec.json.decode(file.read_bytes(), type=FakeWorld)


def left_behind(api: Api, folder: Path) -> list[str]:
    """What exists in the world or the ledgers that no share server or share accounts for."""
    left = []
    wanted = {
        "share_servers": {row["id"] for row in api.rows("share_servers")},
        "share_instances": {row["id"] for row in api.rows("share_instances") if row["made"]},
        "snapshot_instances": {row["id"] for row in api.rows("snapshot_instances")},
    }
    for name in CAPACITY:
        here = world(folder, name)
        left += [f"server {key}" for key in set(here.servers) - wanted["share_servers"]]
        left += [f"share {key}" for key in set(here.shares) - wanted["share_instances"]]
        left += [f"snapshot {key}" for key in set(here.snapshots) - wanted["snapshot_instances"]]
    for row in api.rows("allocations"):
        if row["share_server_id"] not in wanted["share_servers"]:
            left.append(f"allocation {row}")
    for row in api.rows("addresses"):
        if row["owner"] not in wanted["share_servers"]:
            left.append(f"address {row}")
    if not wanted["share_servers"]:
        left += [f"network {row}" for row in api.rows("made_networks")]
    return left
