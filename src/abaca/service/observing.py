"""What monitoring sees of a process: its backends watched, and a listener of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import falcon

from abaca.api.observation import add_observation
from abaca.db.database import Database
from abaca.drivers.driver import Adopts, Driver, Inspects, TellsAccess, Transfers
from abaca.manager.backend import Backend
from abaca.network.plugin import (
    LooksAgain,
    NetworkMaker,
    NetworkPlugin,
    Rebindable,
    ShowsOrphans,
    TenantRoutes,
)
from abaca.observe import metrics
from abaca.observe.calls import Calls, watched
from abaca.service.http import HttpServer

DRIVER = (Driver, Adopts, Inspects, TellsAccess, Transfers)
PLUGIN = (NetworkPlugin, LooksAgain, NetworkMaker, Rebindable, ShowsOrphans, TenantRoutes)
QUIET = ("makes_networks",)
"""Says what is configured: no call of anything."""
THREADS = 4


def watched_backend(backend: Backend) -> Backend:
    """The backend, with every call of its driver and its plugins counted and logged."""
    calls = Calls(
        event="driver_call", label="backend", name=backend.name, seconds=metrics.driver_seconds
    )
    changed = replace(backend, driver=watched(backend.driver, DRIVER, calls, quiet=()))
    if changed.plugin is not None and changed.network_section is not None:
        plugin = watched_plugin(changed.plugin, changed.network_section)
        changed = replace(changed, plugin=plugin)
    if (admin := changed.admin) is not None:
        seen = replace(admin, plugin=watched_plugin(admin.plugin, admin.section))
        changed = replace(changed, admin=seen)
    return changed


def watched_plugin(plugin: NetworkPlugin, section: str) -> NetworkPlugin:
    """The plugin of this network section, the same way."""
    calls = Calls(
        event="plugin_call", label="section", name=section, seconds=metrics.plugin_seconds
    )
    return watched(plugin, PLUGIN, calls, quiet=QUIET)


def make_listener(
    where: tuple[str, int], db: Database, hosts: Collection[str] | None
) -> HttpServer:
    """The server of ``metrics_listen``, not yet listening.

    ``hosts``: the backends that its health is about; None: all.
    """
    app = falcon.App()
    add_observation(app, db, is_admin=None, hosts=hosts)
    return HttpServer(app, *where, threads=THREADS)
