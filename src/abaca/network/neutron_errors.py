"""What Neutron, openstacksdk and keystoneauth say, as the errors that a plugin may raise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from abaca.errors import (
    AddressesExhausted,
    AllocationConflict,
    InvalidNetwork,
    NetworkError,
    NetworkNotFound,
    NetworkUnavailable,
)
from abaca.network import credentials


class MacTaken(AllocationConflict):
    """A port with this MAC address exists on the network: most likely the one we wanted to make."""


class QuotaUsedUp(InvalidNetwork):
    """A quota of Neutron's leaves no room; most often that of the section's own project."""

    generic = "A quota of the network service is used up; its operator can raise it."


KINDS: dict[str, type[NetworkError]] = {
    "IpAddressGenerationFailure": AddressesExhausted,
    "IpAddressGenerationFailureAllSubnets": AddressesExhausted,
    "IpAddressGenerationFailureNoMatchingSubnet": AddressesExhausted,
    "IpAddressAlreadyAllocated": AllocationConflict,
    "IpAddressInUse": AllocationConflict,
    "InvalidIpForSubnet": AllocationConflict,
    "InvalidIpForNetwork": AllocationConflict,
    "MacAddressInUse": MacTaken,
    "OverQuota": QuotaUsedUp,
}
"""By the type that Neutron gives in the body of a refusal."""

STATUSES: dict[int, type[NetworkError]] = {
    # A rejected token or password is mended outside of Abaca; until then work waits.
    401: NetworkUnavailable,
    403: InvalidNetwork,
    404: NetworkNotFound,
    407: NetworkUnavailable,
    408: NetworkUnavailable,
    # Somebody else changes the same thing at this moment.
    409: NetworkUnavailable,
    412: NetworkUnavailable,
    423: NetworkUnavailable,
    425: NetworkUnavailable,
    429: NetworkUnavailable,
}
ADVICE = {
    401: credentials.REFUSED,
    403: "the configured user lacks a right; give it the role that Neutron's policy asks for",
}


def refusal(status: int, kind: str, message: str) -> NetworkError:
    """The error for an answer of Neutron with a status that says no."""
    if kind == "OverQuota":
        return QuotaUsedUp(
            f"a Neutron quota is used up ({message.rstrip('. ')}): raise it for the project, or "
            "delete what is not needed"
        )
    fallback = InvalidNetwork if 400 <= status < 500 else NetworkUnavailable  # noqa: PLR2004
    cls = KINDS.get(kind) or STATUSES.get(status, fallback)
    advice = f"{ADVICE[status]}: " if status in ADVICE else ""
    return cls(f"{advice}{message} (Neutron: HTTP {status}{f' {kind}' if kind else ''})")


@contextmanager
def translated() -> Iterator[None]:
    """Inside, exceptions of openstacksdk, keystoneauth and what they stand on become ours."""
    try:
        yield
    except NetworkError:
        raise
    except Exception as error:
        cls = meaning(type(error))
        if cls is None:
            raise
        status = getattr(error, "http_status", None) or getattr(error, "status_code", None)
        if isinstance(status, int) and status in ADVICE:
            raise refusal(status, "", _said(error)) from error
        advice = credentials.ADVICE.get(status or 0, "")
        raise cls(f"Neutron: {f'{advice}: ' if advice else ''}{_said(error)}") from error


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__


def meaning(cls: type[BaseException]) -> type[NetworkError] | None:
    """What an exception class means; that of its nearest ancestor which the table has."""
    table = _table()
    return next((table[item] for item in cls.__mro__ if item in table), None)


@cache
def _table() -> dict[type[BaseException], type[NetworkError]]:
    return {
        **dict.fromkeys(_retried(), NetworkUnavailable),
        **dict.fromkeys(_for_a_person(), InvalidNetwork),
    }


# The libraries are imported only where Neutron is configured: half of a service's start-up
# time otherwise.


def _retried() -> tuple[type[BaseException], ...]:
    """Nobody answers, or not so that it can be understood, or not at this moment."""
    import requests  # noqa: PLC0415
    from keystoneauth1 import exceptions as ksa  # noqa: PLC0415
    from keystoneauth1.exceptions import oidc  # noqa: PLC0415
    from openstack import exceptions as sdk  # noqa: PLC0415

    return (
        *(ksa.ConnectionError, ksa.RetriableConnectionFailure, ksa.DiscoveryFailure),
        *(ksa.InvalidResponse, ksa.EmptyCatalog, ksa.HttpServerError, ksa.RequestTimeout),
        *(ksa.Unauthorized, ksa.ProxyAuthenticationRequired, ksa.AuthorizationFailure),
        *(ksa.Conflict, ksa.PreconditionFailed, ksa.TooManyRequests),
        oidc.OidcDeviceAuthorizationTimeOut,
        # Neutron's own 404 is no exception here: this is Keystone's, or a proxy's before it.
        # Never NetworkNotFound, which would make a deletion of it.
        *(ksa.NotFound, ksa.Gone, sdk.NotFoundException),
        *(sdk.InvalidResponse, sdk.ConflictException, sdk.PreconditionFailedException),
        *(sdk.ResourceTimeout, sdk.ResourceFailure, sdk.ServiceDiscoveryException),
        *(sdk.HttpException, requests.RequestException, OSError),
        requests.cookies.CookieConflictError,
        # What they stumble over in an answer that is not what they expect.
        *(ValueError, TypeError, AttributeError, LookupError),
    )


def _for_a_person() -> tuple[type[BaseException], ...]:
    """Everything else of theirs: the configuration, or the rights in Neutron."""
    import requests  # noqa: PLC0415
    from keystoneauth1 import exceptions as ksa  # noqa: PLC0415
    from openstack import exceptions as sdk  # noqa: PLC0415

    return (
        *(ksa.ClientException, ksa.SSLError, ksa.VersionNotAvailable, ksa.HTTPClientError),
        *(ksa.EndpointNotFound, ksa.AuthPluginException, ksa.ImpliedVersionMismatch),
        *(sdk.SDKException, sdk.BadRequestException, sdk.ForbiddenException),
        *(requests.exceptions.SSLError, requests.exceptions.InvalidURL),
        *(requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema),
    )
