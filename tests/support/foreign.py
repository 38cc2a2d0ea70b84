"""What libraries of OpenStack raise, and a transport through which they do it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, NoReturn

import keystoneauth1.exceptions
import requests
from keystoneauth1 import extras, loading  # noqa: F401 - they define some of their own
from requests.adapters import BaseAdapter

from abaca.testing.libraries import exceptions_of


def keystoneauth() -> Sequence[type[Exception]]:
    """Every exception class of keystoneauth and of requests, which it stands on."""
    for item in pkgutil.iter_modules(keystoneauth1.exceptions.__path__):
        importlib.import_module(f"keystoneauth1.exceptions.{item.name}")
    return exceptions_of("keystoneauth1", "requests")


def openstacksdk() -> Sequence[type[Exception]]:
    """The same of openstacksdk, which stands on both."""
    for name in ("openstack.cloud.exc", "openstack.connection", "openstack.exceptions"):
        importlib.import_module(name)
    return [*exceptions_of("openstack"), *keystoneauth()]


class RaisingAdapter(BaseAdapter):
    """Answers every request with an exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def send(self, *_: Any, **__: Any) -> NoReturn:
        """Nothing is sent."""
        raise self._error

    def close(self) -> None:
        """Nothing was opened."""


def raise_on(session: requests.Session, error: Exception) -> None:
    """From now on every request of the session ends so."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, RaisingAdapter(error))
