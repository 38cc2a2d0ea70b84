"""What nova, keystoneauth and what it stands on say, as the errors that a plugin may raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from abaca.errors import InvalidNetwork, NetworkError, NetworkUnavailable
from abaca.network.credentials import ADVICE, REFUSED

NOT_LONG = 300
NO_NOVA_NETWORK = "nova-network ended with nova 17 (Queens), use the neutron plugin"
STATUSES: dict[int, tuple[type[NetworkError], str]] = {
    # Credentials are mended outside of Abaca; until then work waits.
    401: (NetworkUnavailable, REFUSED),
    403: (InvalidNetwork, "the configured user lacks a right, give it the role admin"),
    404: (
        InvalidNetwork,
        f"the endpoint has no such API, it must end with /v2.1; {NO_NOVA_NETWORK}",
    ),
    406: (InvalidNetwork, "it must be nova 12 (Liberty) to 17 (Queens)"),
    408: (NetworkUnavailable, "try again"),
    409: (NetworkUnavailable, "somebody else changes the same thing"),
    410: (InvalidNetwork, NO_NOVA_NETWORK),
    413: (NetworkUnavailable, "too many requests"),
    425: (NetworkUnavailable, "try again"),
    429: (NetworkUnavailable, "too many requests"),
    501: (InvalidNetwork, NO_NOVA_NETWORK),
}
CLIENT_ERRORS = range(400, 500)


def refusal(call: str, status: int, body: str) -> NetworkError:
    """The error for an answer whose status is not the one that means success."""
    fallback = InvalidNetwork if status in CLIENT_ERRORS else NetworkUnavailable
    cls, advice = STATUSES.get(status, (fallback, ""))
    said = " ".join(body.split())[:NOT_LONG]
    return cls(f"nova: {call}: HTTP {status}{f' ({advice})' if advice else ''}: {said}")


@contextmanager
def translated(call: str) -> Iterator[None]:
    """Inside, exceptions of keystoneauth and what it stands on become ours."""
    try:
        yield
    except NetworkError:
        raise
    except Exception as error:
        cls = meaning(type(error))
        if cls is None:
            raise
        said = " ".join(str(error).split())[:NOT_LONG]
        advice = ADVICE.get(getattr(error, "http_status", 0), "")
        told = f"{type(error).__name__}{f' ({advice})' if advice else ''}"
        raise cls(f"nova: {call}: {told}: {said}") from error


def meaning(cls: type[BaseException]) -> type[NetworkError] | None:
    """What an exception class means: as the nearest of its ancestors that the table has."""
    table = _table()
    return next((table[item] for item in cls.__mro__ if item in table), None)


@cache
def _table() -> dict[type[BaseException], type[NetworkError]]:
    """Made where nova is configured, and not before: the imports take half a second."""
    return {
        **dict.fromkeys(_for_later(), NetworkUnavailable),
        **dict.fromkeys(_for_a_person(), InvalidNetwork),
    }


def _for_later() -> tuple[type[BaseException], ...]:
    """Nobody answers, or not so that it can be understood; or Keystone says no, for now."""
    import requests  # noqa: PLC0415
    from keystoneauth1 import exceptions as ksa  # noqa: PLC0415

    return (
        ksa.ConnectionError,
        ksa.RetriableConnectionFailure,
        ksa.DiscoveryFailure,
        ksa.InvalidResponse,
        ksa.HttpServerError,
        ksa.Unauthorized,
        # nova's own 404 is no exception here: this is Keystone's, of an application credential
        # that was deleted, or a proxy's before it.
        ksa.NotFound,
        ksa.Gone,
        ksa.ProxyAuthenticationRequired,
        ksa.AuthorizationFailure,
        ksa.RequestTimeout,
        ksa.RequestEntityTooLarge,
        ksa.Conflict,
        ksa.TooManyRequests,
        # What keystoneauth lets through, or stumbles over in an answer.
        requests.RequestException,
        requests.cookies.CookieConflictError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    )


def _for_a_person() -> tuple[type[BaseException], ...]:
    """All else of theirs: the configuration, the catalog, or rights."""
    import requests  # noqa: PLC0415
    from keystoneauth1 import exceptions as ksa  # noqa: PLC0415

    return (
        ksa.ClientException,
        ksa.SSLError,
        ksa.HTTPClientError,
        ksa.VersionNotAvailable,
        ksa.HttpNotImplemented,
        ksa.HttpVersionNotSupported,
        requests.exceptions.SSLError,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    )
