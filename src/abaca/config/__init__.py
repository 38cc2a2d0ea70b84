"""The configuration: every option typed, checked, loaded once, and handed down.

options     what there is, with help          model   what it becomes
raw         what the files say                values  typed, with faults and notes
backends    backend and network sections      load    all of it
extensions  installed drivers and plugins     sample  a file to start from
"""

from __future__ import annotations

from abaca.config.load import load
from abaca.config.model import (
    ApiConfig,
    AuthStrategy,
    BackendConfig,
    Config,
    NetworkConfig,
    ServiceConfig,
    WorkConfig,
)

__all__ = [
    "ApiConfig",
    "AuthStrategy",
    "BackendConfig",
    "Config",
    "NetworkConfig",
    "ServiceConfig",
    "WorkConfig",
    "load",
]
