"""A network plugin that does not answer while a file is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from abaca.config import BackendConfig, Config
from abaca.errors import NetworkUnavailable
from abaca.network.plugin import NetworkPlugin

SWITCH = "network.down"
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
