"""Every exception of the libraries has a meaning, given on purpose."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import keystoneauth1.exceptions
import openstack.cloud.exc
import openstack.connection
import openstack.exceptions
import pytest
import requests

from abaca.errors import InvalidNetwork, NetworkError, NetworkNotFound, NetworkUnavailable
from abaca.network.neutron_errors import meaning, refusal, translated

RETRIED = """
AuthorizationFailure BadGateway Conflict ConflictException ConnectFailure ConnectTimeout
ConnectionError DiscoveryFailure EmptyCatalog GatewayTimeout Gone HttpException HttpNotImplemented
HttpServerError HttpVersionNotSupported InternalServerError InvalidResponse NotFound
NotFoundException OidcDeviceAuthorizationTimeOut PreconditionFailed PreconditionFailedException
ProxyAuthenticationRequired RequestTimeout ResourceFailure ResourceTimeout
RetriableConnectionFailure ServiceDiscoveryException ServiceUnavailable TooManyRequests
Unauthorized UnknownConnectionError
"""
FOR_A_PERSON = """
AuthPluginException BadRequest BadRequestException CatalogException ClientException ConfigException
DuplicateResource EndpointNotFound ExpectationFailed Forbidden ForbiddenException HTTPClientError
HttpError ImpliedMaxVersionMismatch ImpliedMinVersionMismatch ImpliedVersionMismatch
InvalidDiscoveryEndpoint InvalidOidcDiscoveryDocument InvalidRequest InvalidResourceQuery
LengthRequired MethodNotAllowed MethodNotSupported MissingAuthMethods MissingAuthPlugin
MissingRequiredOptions NoMatchingPlugin NotAcceptable NotSupported
OidcAccessTokenEndpointNotFound OidcAuthorizationEndpointNotFound
OidcDeviceAuthorizationEndpointNotFound OidcInvalidCodeChallengeMethod OidcPluginNotSupported
OpenStackCloudCreateException OpenStackCloudUnavailableExtension
OpenStackCloudUnavailableFeature OptionError PaymentRequired RequestEntityTooLarge
RequestUriTooLong RequestedRangeNotSatisfiable SDKException SSLError ServiceDisabledException
ServiceProviderNotFound UnprocessableEntity UnsupportedMediaType UnsupportedParameters
ValidationException VersionNotAvailable _MissingTokenError
"""


def descendants(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    """All classes below."""
    for found in cls.__subclasses__():
        yield found
        yield from descendants(found)


def foreign() -> dict[str, type[BaseException]]:
    """Every exception class of both libraries."""
    for item in pkgutil.iter_modules(keystoneauth1.exceptions.__path__):
        importlib.import_module(f"keystoneauth1.exceptions.{item.name}")
    assert openstack.cloud.exc
    assert openstack.connection
    assert openstack.exceptions
    return {
        f"{cls.__module__}.{cls.__name__}": cls
        for cls in descendants(Exception)
        if cls.__module__.split(".")[0] in {"keystoneauth1", "openstack"}
        and not issubclass(cls, Warning)
    }


def test_every_class_is_placed():
    """Each class of keystoneauth1 and openstacksdk is in one of the lists above, and means it.

    A class that a new release brings is in neither: whoever updates decides.
    """
    expected = {
        **dict.fromkeys(RETRIED.split(), NetworkUnavailable),
        **dict.fromkeys(FOR_A_PERSON.split(), InvalidNetwork),
    }
    found = {name: meaning(cls) for name, cls in foreign().items()}
    assert len(found) > 70
    wrong = {
        name: cls for name, cls in found.items() if expected.get(name.rpartition(".")[2]) is not cls
    }
    assert not wrong


@pytest.mark.parametrize("name", sorted(foreign()))
def test_nothing_foreign_leaves(name: str):
    """Raised inside, whatever its arguments, it comes out as an error of the contract."""
    cls = foreign()[name]
    try:
        error = cls("boom")
    except (TypeError, AttributeError):  # it wants to be told more
        error = cls.__new__(cls)
        Exception.__init__(error, "boom")
    with pytest.raises(NetworkError) as caught, translated():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("refused"),
        requests.exceptions.ChunkedEncodingError("cut"),
        requests.exceptions.JSONDecodeError("bad", "doc", 0),
        TimeoutError("late"),
        OSError(5, "input/output"),
        ValueError("what is this"),
        KeyError("versions"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_they_stand_on(error: Exception):
    """So do the exceptions that both let through, as something to try again."""
    with pytest.raises(NetworkUnavailable), translated():
        raise error


def test_ours_pass():
    """An error of the contract, and what stands for a crash, are left alone."""
    with pytest.raises(NetworkNotFound, match="mine"), translated():
        raise NetworkNotFound("mine")
    with pytest.raises(KeyboardInterrupt), translated():
        raise KeyboardInterrupt


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_has_a_meaning(status: int):
    """Only Neutron's 404 says that something is gone; server errors are tried again."""
    error = refusal(status, "", "said why")
    assert "said why" in str(error)
    assert isinstance(error, NetworkNotFound) == (status == 404)
    if status >= 500:
        assert isinstance(error, NetworkUnavailable)
