"""Drivers and network plugins, found by entry points. Only those asked for are imported."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from abaca.config.contract import misfit
from abaca.drivers.driver import Driver
from abaca.errors import ConfigError
from abaca.network.plugin import NetworkPlugin

DRIVERS = "abaca.share_drivers"
PLUGINS = "abaca.network_plugins"


@cache
def _found(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> list[str]:
    """Names of what is installed, sorted."""
    return sorted(_found(group))


def named(group: str, text: str) -> str | None:
    """The name that is meant by a name, ``module:Class`` or ``module.Class``; None if none."""
    if text in _found(group):
        return text
    path = text.replace(":", ".")
    return next((n for n, p in _found(group).items() if p.value.replace(":", ".") == path), None)


def _load(group: str, name: str) -> object:
    try:
        return _found(group)[name].load()
    except (ImportError, AttributeError) as error:
        point = _found(group)[name]
        raise ConfigError([f"{name} ({point.value}) can't be loaded: {error}"]) from error


def driver(name: str) -> type[Driver]:
    """The driver class of an installed name. ConfigError if its package is broken."""
    return cast("type[Driver]", _load(DRIVERS, name))


def plugin(name: str) -> type[NetworkPlugin]:
    """The plugin class of an installed name.

    ConfigError if its package is broken, or keeps another version of the contract.
    """
    found = _load(PLUGINS, name)
    if why := misfit(found):
        raise ConfigError([f"{name} ({_found(PLUGINS)[name].value}) can't be used: {why}"])
    return cast("type[NetworkPlugin]", found)
