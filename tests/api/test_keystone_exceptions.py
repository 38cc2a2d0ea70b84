"""Whatever keystonemiddleware and its libraries raise, the API answers in its own terms."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import falcon
import falcon.testing
import pytest

from abaca.errors import ServiceUnavailable, Unauthorized
from abaca.testing.libraries import exceptions_of, instance
from support.foreign import keystoneauth, raise_on

if TYPE_CHECKING:
    from abaca.api.auth.keystone import Keystone

pytestmark = pytest.mark.filterwarnings("ignore")  # the middleware's libraries deprecate a lot

LIBRARIES = ("dogpile", "keystoneclient", "keystonemiddleware", "oslo_cache")
"""Besides keystoneauth and requests. Those of webob are answers, which the middleware gives."""
REFUSALS = {"InvalidToken"}
"""Classes that say that the token is wrong: the others say nothing about it."""

OPTIONS = {"auth_type", "auth_url", "interface", "username, password, project_name"}


@pytest.fixture(scope="module")
def keystone() -> Iterator[Keystone]:
    """Asks a Keystone that nobody made, once, and at once."""
    from abaca.api.auth.keystone import Keystone  # noqa: PLC0415 - half a second to import

    logging.disable(logging.CRITICAL)  # the middleware tells of each
    yield Keystone(
        {
            "auth_type": "password",
            "auth_url": "http://127.0.0.1:1",
            "username": "abaca",
            "password": "secret",
            "project_name": "services",
            "user_domain_id": "default",
            "project_domain_id": "default",
            "http_request_max_retries": 0,
        }
    )
    logging.disable(logging.NOTSET)


def foreign() -> list[type[Exception]]:
    """Every exception class of the libraries, and what comes through them from below."""
    importlib.import_module("abaca.api.auth.keystone")
    of_python = (OSError, TimeoutError, ValueError, TypeError, KeyError, RuntimeError)
    return [*keystoneauth(), *exceptions_of(*LIBRARIES), *of_python]


def outcome(keystone: Keystone, cls: type[Exception]) -> type[Exception]:
    """What the API makes of a token, when that is raised where Keystone is asked."""
    raise_on(keystone._middleware._session.session, instance(cls))
    asked = falcon.testing.create_environ(headers={"X-Auth-Token": cls.__name__})
    with pytest.raises((ServiceUnavailable, Unauthorized)) as caught:
        keystone.authenticate(falcon.Request(asked))
    return caught.type


def test_every_exception_is_an_error_of_ours(keystone: Keystone) -> None:
    """503: nobody knows whether the token is right; 401 only where Keystone says that it isn't."""
    found = {cls: outcome(keystone, cls) for cls in foreign()}
    packages = {cls.__module__.partition(".")[0] for cls in found}
    assert packages >= {"keystoneauth1", "keystonemiddleware", "requests"}
    assert {cls.__name__ for cls, means in found.items() if means is Unauthorized} == REFUSALS


def test_every_exception_is_a_line_of_the_check(keystone: Keystone) -> None:
    """`abaca config check` says which option to look at, whatever is raised."""
    for cls in foreign():
        raise_on(keystone._middleware._session.session, instance(cls))
        (line,) = keystone.findings()
        section, text = line.split(" ", 1)
        option, why = text.split(": ", 1)
        assert section == "[keystone_authtoken]"
        assert option in OPTIONS, line
        assert why
