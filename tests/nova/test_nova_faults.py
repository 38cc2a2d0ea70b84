"""What networks and servers do wrong, between the plugin and a real nova."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from keystoneauth1 import exceptions as ksa
from keystoneauth1 import extras, loading  # noqa: F401 - they define exceptions of their own

from abaca.db.database import Database
from abaca.errors import InvalidNetwork, NetworkError, NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.nova import NovaPlugin
from abaca.network.nova_errors import meaning, refusal
from abaca.network.plugin import Allocation, Claim, Label, SubnetRef
from support.fault_proxy import FAULTS, Fault, FaultProxy, fault_proxy
from support.nova.server import FLAT, PROJECT, VLAN, NovaServer
from support.nova.world import access, left_in, plugin_on

SUBNET = SubnetRef(key="share-net", project_id=PROJECT, net_id=VLAN)
HELD, YOUNG, FREE = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
Verb = Callable[[NovaPlugin, Sequence[Allocation]], object]


def claim(owner: str) -> Claim:
    """The first interface of a share server."""
    return Claim(owner=owner, label=Label.USER, subnet=SUBNET.key, index=0)


def collect(plugin: NovaPlugin, _: Sequence[Allocation]) -> object:
    """Everything is an orphan."""
    return plugin.collect([], datetime.now(UTC) + timedelta(hours=1))


VERBS: dict[str, Verb] = {
    "status": lambda plugin, _: plugin.status(),
    "describe": lambda plugin, _: plugin.describe(SUBNET),
    "allocate": lambda plugin, _: plugin.allocate(SUBNET, [claim(YOUNG)], host="host1"),
    "check": lambda plugin, found: plugin.check(found),
    "release": lambda plugin, found: plugin.release([item.claim for item in found]),
    "adopt": lambda plugin, _: plugin.adopt(SUBNET, {ip_address("10.60.0.20"): claim(FREE)}),
    "collect": collect,
}
CALLS = {
    "status": ("GET /v2.1/os-networks", "GET /v2.1/os-fixed-ips"),
    "describe": ("GET /v2.1/os-networks",),
    "allocate": ("GET /v2.1/os-networks", "GET /v2.1/os-fixed-ips", "POST "),
    "check": ("GET /v2.1/os-fixed-ips",),
    "release": ("GET /v2.1/os-networks", "POST "),
    "adopt": ("GET /v2.1/os-networks", "GET /v2.1/os-fixed-ips", "POST "),
    "collect": ("GET /v2.1/os-networks", "POST "),
}
"""What each verb asks of nova."""


@pytest.fixture
def plugin(proxy: FaultProxy, database: Database) -> NovaPlugin:
    """Managed, by way of the proxy."""
    return plugin_on(database, access(proxy.url), DriverMode.MANAGED)


@pytest.fixture
def failing(request: pytest.FixtureRequest, proxy: FaultProxy, database: Database) -> NovaPlugin:
    """The same, for calls that meet a fault: impatient where that is slowness."""
    patience = {"request_timeout": 1.0} if "slow" in request.node.name else {}
    return plugin_on(database, access(proxy.url, **patience), DriverMode.MANAGED)


def test_calls_are_those_listed(proxy: FaultProxy, plugin: NovaPlugin) -> None:
    """Each verb makes the calls that the faults are tried on, and no others."""
    found = plugin.allocate(SUBNET, [claim(HELD)], host="host1")
    for name in ("status", "describe", "allocate", "check", "adopt", "release"):
        proxy.calls.clear()
        VERBS[name](plugin, found)
        assert proxy.calls
        for call in proxy.calls:
            assert call.startswith(CALLS[name]), name
        for start in CALLS[name]:
            assert any(call.startswith(start) for call in proxy.calls), (name, start)


@pytest.fixture
def left(nova: NovaServer, database: Database) -> Callable[[], list[str]]:
    """What share servers have in nova and in the ledger."""
    return lambda: left_in(nova, database)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
def test_every_fault_in_every_call(  # noqa: PLR0917 - fixtures
    proxy: FaultProxy,
    plugin: NovaPlugin,
    failing: NovaPlugin,
    left: Callable[[], list[str]],
    verb: str,
    fault: str,
) -> None:
    """Whatever happens is worth trying again; and again it works, and nothing is left."""
    found = plugin.allocate(SUBNET, [claim(HELD)], host="host1")
    for call in CALLS[verb]:
        with proxy.failing(FAULTS[fault], call), pytest.raises(NetworkUnavailable, match="nova"):
            VERBS[verb](failing, found)
    VERBS[verb](plugin, found)
    plugin.release([claim(owner) for owner in (HELD, YOUNG, FREE)])
    assert left() == []


def test_nobody_listens(database: Database) -> None:
    """A nova that is not there at all is unavailable, and says where it was looked for."""
    plugin = plugin_on(database, access("http://127.0.0.1:9/v2.1"), DriverMode.MANAGED)
    for verb in ("status", "describe", "allocate"):
        with pytest.raises(NetworkUnavailable, match=r"127\.0\.0\.1:9"):
            VERBS[verb](plugin, [])
    plugin.release([claim(HELD)])


@pytest.mark.parametrize("status", [400, 403, 404, 410])
@pytest.mark.parametrize("verb", VERBS)
def test_refusals_that_need_a_person(
    proxy: FaultProxy, plugin: NovaPlugin, verb: str, status: int
) -> None:
    """What no repetition mends is InvalidNetwork, and not retried."""
    found = plugin.allocate(SUBNET, [claim(HELD)], host="host1")
    for call in CALLS[verb]:
        with (
            proxy.failing(Fault(status=status, body=b"no"), call),
            pytest.raises(InvalidNetwork, match=f"HTTP {status}"),
        ):
            VERBS[verb](plugin, found)


WHOLE: dict[str, Any] = {
    "id": VLAN,
    "label": "vlan",
    "cidr": "10.60.0.0/27",
    "gateway": "10.60.0.1",
    "vlan": 100,
    "project_id": PROJECT,
}


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": 7},
        {"cidr": "10.60.0.0/99"},
        {"cidr": ["10.60.0.0/27"]},
        {"gateway": "router"},
        {"vlan": "a hundred"},
        {"vlan": True},
        {"mtu": "large"},
        {"dns1": {"a": 1}},
    ],
    ids=str,
)
def test_answers_that_make_no_sense(
    proxy: FaultProxy, plugin: NovaPlugin, broken: dict[str, Any]
) -> None:
    """A field that can't be understood is a broken answer, not a broken plugin."""
    body = json.dumps({"network": {**WHOLE, **broken}}).encode()
    fault = Fault(status=200, body=body)
    with proxy.failing(fault), pytest.raises(NetworkUnavailable, match=next(iter(broken))):
        plugin.describe(SUBNET)


def test_an_old_nova(proxy: FaultProxy, plugin: NovaPlugin) -> None:
    """One that does not say what is reserved can't be used, and nothing is taken from it."""
    body = b'{"fixed_ip": {"cidr": "10.60.0.0/27", "address": "10.60.0.3", "host": null}}'
    with (
        proxy.failing(Fault(status=200, body=body), "os-fixed-ips"),
        pytest.raises(InvalidNetwork, match="Liberty"),
    ):
        plugin.allocate(SUBNET, [claim(HELD)], host="host1")
    assert not [call for call in proxy.calls if call.startswith("POST")]


def test_the_cloud_of_others(nova: NovaServer, database: Database, proxy: FaultProxy) -> None:
    """Every request names the microversion that shows what is reserved, and goes to nova only."""
    plugin = plugin_on(database, access(nova.url, network=FLAT), DriverMode.FLAT)
    assert plugin.status() is None  # type: ignore[func-returns-value]
    with fault_proxy("http://127.0.0.1:9") as other:
        elsewhere = plugin_on(database, access(other.url), DriverMode.MANAGED, section="other")
        # Redirects are not followed: the token is for nova.
        moved = Fault(status=302, body=b"")
        with proxy.failing(moved), pytest.raises(NetworkError):
            plugin_on(database, access(proxy.url), DriverMode.MANAGED).describe(SUBNET)
        with other.failing(moved), pytest.raises(NetworkError):
            elsewhere.describe(SUBNET)


def subclasses(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    """All of them, at any depth."""
    for item in cls.__subclasses__():
        yield item
        yield from subclasses(item)


@pytest.mark.parametrize(
    "cls", sorted({*subclasses(ksa.ClientException)}, key=str), ids=lambda cls: cls.__name__
)
def test_every_exception_of_keystoneauth_is_mapped(cls: type[BaseException]) -> None:
    """Each class means something that the contract knows: to try again, or to tell a person."""
    assert meaning(cls) in {NetworkUnavailable, InvalidNetwork}


def test_what_the_exceptions_mean() -> None:
    """The ones that matter are not mixed up."""
    assert meaning(ksa.ConnectTimeout) is NetworkUnavailable
    assert meaning(ksa.ConnectFailure) is NetworkUnavailable
    assert meaning(ksa.Unauthorized) is NetworkUnavailable
    assert meaning(ksa.NotFound) is NetworkUnavailable
    assert meaning(ksa.BadGateway) is NetworkUnavailable
    assert meaning(ksa.SSLError) is InvalidNetwork
    assert meaning(ksa.EndpointNotFound) is InvalidNetwork
    assert meaning(ksa.MissingRequiredOptions) is InvalidNetwork
    assert meaning(KeyboardInterrupt) is None


@pytest.mark.parametrize("status", range(300, 600))
def test_every_status_is_mapped(status: int) -> None:
    """Only client errors that are not about the moment need a person."""
    error = refusal("GET /", status, "body")
    person = 400 <= status < 500 and status not in {401, 408, 409, 413, 425, 429}
    assert isinstance(error, InvalidNetwork if person or status == 501 else NetworkUnavailable)
