"""A network plugin that does not answer, a database that takes no writes, while a file is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import event

from abaca.config import BackendConfig, Config
from abaca.db.database import Database
from abaca.errors import NetworkUnavailable
from abaca.network.plugin import NetworkPlugin

SWITCH = "network.down"
READ_ONLY = "database.read-only"
VERBS = (
    "status",
    "describe",
    "allocate",
    "check",
    "release",
    "adopt",
    "forget",
    "collect",
    "ensure_network",
    "remove_network",
)


def with_outages(config: Config, folder: Path) -> Config:
    """The same, with plugins that are down while the folder has a file `SWITCH`."""
    return replace(
        config, backends=tuple(_backend(item, folder / SWITCH) for item in config.backends)
    )


def writing_fails(db: Database, folder: Path) -> None:
    """SQLite refuses to write in transactions that begin while the folder has `READ_ONLY`."""
    if not db.is_sqlite:
        return

    def look(connection: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's own
        connection.execute(f"PRAGMA query_only = {int((folder / READ_ONLY).exists())}")

    event.listen(db.engine, "checkout", look)


def _backend(backend: BackendConfig, switch: Path) -> BackendConfig:
    if backend.network is None:
        return backend
    plugin = _breakable(backend.network.plugin, switch)
    return replace(backend, network=replace(backend.network, plugin=plugin))


def _breakable(plugin: type[NetworkPlugin], switch: Path) -> type[NetworkPlugin]:
    """A subclass, each of whose verbs looks at the switch first."""

    def guarded(verb: str) -> Callable[..., Any]:
        def call(self: object, *args: object, **kwargs: object) -> object:
            if switch.exists():
                raise NetworkUnavailable(f"the network service is down ({verb})")
            return getattr(plugin, verb)(self, *args, **kwargs)

        return call

    own = {verb: guarded(verb) for verb in VERBS if hasattr(plugin, verb)}
    return type(plugin.__name__, (plugin,), own)
