"""A Neutron that fails: nothing but the errors of the contract leaves, and nothing is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from abaca.errors import AddressesExhausted, InvalidNetwork, NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.testing.ports import free_port
from support.neutron.fault_proxy import Fault, FaultProxy
from support.neutron.server import NeutronServer
from support.neutron.world import TENANT, Cloud, plugin_on, values

pytestmark = pytest.mark.timeout(600)

HTML = b"<html><body>It works!</body></html>"
REFUSED = b'{"NeutronError": {"type": "X", "message": "no", "detail": ""}}'
FAULTS: dict[str, Fault] = {
    "slow": Fault(delay=1.5, body=b"{}"),
    "500": Fault(status=500, body=REFUSED),
    "502 of a proxy": Fault(status=502, body=HTML, content_type="text/html"),
    "503": Fault(status=503, body=REFUSED),
    "401": Fault(status=401, body=b'{"error": {"message": "token", "code": 401}}'),
    "409": Fault(status=409, body=REFUSED),
    "429": Fault(status=429, body=b"slow down", content_type="text/plain"),
    "404 of a proxy": Fault(status=404, body=HTML, content_type="text/html"),
    "dropped": Fault(drop=True),
    "cut short": Fault(body=b'{"ports": [', short=True),
    "html": Fault(body=HTML, content_type="text/html"),
    "empty": Fault(),
    "no object": Fault(body=b"[]"),
    "other object": Fault(body=b'{"hello": "world"}'),
    "null": Fault(body=b"null"),
    "list of nulls": Fault(
        body=b'{"ports": [null], "networks": [null], "subnets": [null], "extensions": [null],'
        b' "network": null, "port": null}'
    ),
    "lacks all": Fault(
        body=b'{"ports": [{}], "networks": [{}], "subnets": [{}], "network": {}, "port": {},'
        b' "extensions": 7}'
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A managed section behind a proxy, with one server on a tenant's network."""

    proxy: FaultProxy
    section: dict[str, object]
    subnet: SubnetRef

    def plugin(self) -> NeutronPlugin:
        """A new instance, which has asked nobody yet."""
        return plugin_on(self.section, DriverMode.MANAGED)

    def claims(self, count: int = 1) -> list[Claim]:
        """Of one new share server."""
        owner = str(uuid.uuid4())
        return [
            Claim(owner=owner, label=Label.USER, subnet=self.subnet.key, index=index)
            for index in range(count)
        ]


@pytest.fixture
def scene(neutron: NeutronServer, cloud: Cloud) -> Iterator[Scene]:
    """As it is before anything fails."""
    network = cloud.network("192.168.7.0/24")
    proxy = FaultProxy(target=neutron.port)
    proxy.start()
    yield Scene(
        proxy=proxy,
        section=values(proxy.url, request_timeout=60),
        subnet=SubnetRef(key=str(uuid.uuid4()), project_id=TENANT, net_id=network["id"]),
    )
    proxy.stop()


def verbs(scene: Scene, plugin: NeutronPlugin) -> dict[str, Callable[[], Any]]:
    """Every verb, on something that it has to ask Neutron about."""
    held = scene.claims()
    found = scene.plugin().allocate(scene.subnet, held, host="h")
    free = next(item for item in found[0].segment.subnets[0].cidr.hosts() if int(item) & 255 > 200)
    later = datetime.now(UTC) + timedelta(hours=1)
    return {
        "status": plugin.status,
        "describe": lambda: plugin.describe(scene.subnet),
        "allocate": lambda: plugin.allocate(scene.subnet, scene.claims(), host="h"),
        "allocate again": lambda: plugin.allocate(scene.subnet, held, host="h"),
        "check": lambda: plugin.check(found),
        "adopt": lambda: plugin.adopt(scene.subnet, {free: scene.claims()[0]}),
        "forget": lambda: plugin.forget(held),
        "collect": lambda: plugin.collect([], later),
        "release": lambda: plugin.release(held),
    }


def outcome(call: Callable[[], Any]) -> str:
    """What a call ends in: the name of an error, or what it returned."""
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        return type(error).__name__


def nothing(_method: str, _path: str) -> None:
    """No fault."""


@pytest.mark.parametrize("name", FAULTS)
def test_every_verb_says_unavailable(scene: Scene, name: str):
    """Whatever Neutron answers to every call, each verb says that it may be tried again."""
    if name == "slow":
        scene.section["request_timeout"] = 0.4
    plugin = scene.plugin()
    scene.section["request_timeout"] = 60
    called = verbs(scene, plugin)
    scene.proxy.fault = lambda _method, _path: FAULTS[name]
    ended = {verb: outcome(call) for verb, call in called.items()}
    assert ended == dict.fromkeys(called, "NetworkUnavailable")


def test_down(scene: Scene):
    """Nobody listens: each verb says so, and works again when somebody does."""
    scene.section["endpoint_override"] = f"http://127.0.0.1:{free_port()}"
    plugin = scene.plugin()
    scene.section["endpoint_override"] = scene.proxy.url
    for call in verbs(scene, plugin).values():
        with pytest.raises(NetworkUnavailable, match="Neutron"):
            call()


LOST = ["500", "401", "409", "dropped", "cut short", "html"]


def after_the_deed(name: str, method: str) -> Callable[[str, str], Fault | None]:
    """The server does what it is asked; the answer to this method is lost."""
    lost = replace(FAULTS[name], done=True)
    return lambda sent, _path: lost if sent == method else None


@pytest.mark.parametrize("name", LOST)
def test_lost_answer_of_create(scene: Scene, cloud: Cloud, name: str):
    """The ports were made and nobody was told: they are found, and there are no others."""
    plugin, held = scene.plugin(), scene.claims(2)
    scene.proxy.fault = after_the_deed(name, "POST")
    with pytest.raises(NetworkUnavailable):
        plugin.allocate(scene.subnet, held, host="h")
    scene.proxy.fault = nothing
    made = cloud.left(str(scene.section["owner_tag"]))
    found = plugin.allocate(scene.subnet, held, host="h")
    assert len(made) == 2
    assert made == sorted(item.id for item in found)
    assert made == cloud.left(str(scene.section["owner_tag"]))


@pytest.mark.parametrize("name", ["500", "401", "409", "dropped"])
def test_lost_answer_of_delete(scene: Scene, cloud: Cloud, name: str):
    """The port was deleted and nobody was told: releasing again is fine."""
    plugin, held = scene.plugin(), scene.claims()
    plugin.allocate(scene.subnet, held, host="h")
    scene.proxy.fault = after_the_deed(name, "DELETE")
    with pytest.raises(NetworkUnavailable):
        plugin.release(held)
    scene.proxy.fault = nothing
    plugin.release(held)
    assert not cloud.left(str(scene.section["owner_tag"]))


def test_stopped_in_the_middle_of_an_allocate(neutron: NeutronServer, cloud: Cloud):
    """Neutron goes down after it made the port and before it said so: later, the same port."""
    network = cloud.network("192.168.8.0/24")
    proxy = FaultProxy(target=neutron.port)
    proxy.start()
    section = values(proxy.url)
    plugin = plugin_on(section, DriverMode.MANAGED)
    key = str(uuid.uuid4())
    subnet = SubnetRef(key=key, project_id=TENANT, net_id=network["id"])
    claim = Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet=key, index=0)
    proxy.fault = lambda method, _path: Fault(done=True, drop=True) if method == "POST" else None
    with pytest.raises(NetworkUnavailable):
        plugin.allocate(subnet, [claim], host="h")
    proxy.fault = nothing
    neutron.stop()
    try:
        proxy.stop()
        with pytest.raises(NetworkUnavailable):
            plugin.allocate(subnet, [claim], host="h")
    finally:
        neutron.start()
    straight = plugin_on({**section, "endpoint_override": neutron.url}, DriverMode.MANAGED)
    found = straight.allocate(subnet, [claim], host="h")
    assert cloud.left(str(section["owner_tag"])) == [found[0].id]
    straight.check(found)


def test_quota(scene: Scene, cloud: Cloud):
    """A used up quota is named as such, and says what to do."""
    project = uuid.uuid4().hex
    section = {**scene.section, "noauth_project_id": project}
    cloud.call("PUT", f"/quotas/{project}", {"quota": {"port": 0}})
    plugin = plugin_on(section, DriverMode.MANAGED)
    with pytest.raises(InvalidNetwork, match=r"quota is used up .*raise it"):
        plugin.allocate(scene.subnet, scene.claims(), host="h")


def test_full_is_not_invalid(scene: Scene, cloud: Cloud):
    """A full subnet is exhausted: another pool may have room."""
    network = cloud.network("192.168.9.0/29")
    subnet = SubnetRef(key=scene.subnet.key, project_id=TENANT, net_id=network["id"])
    plugin = scene.plugin()
    with pytest.raises(AddressesExhausted):
        plugin.allocate(subnet, scene.claims(8), host="h")
    assert not cloud.left(str(scene.section["owner_tag"]))


def test_reader_has_no_rights(scene: Scene, cloud: Cloud):
    """A refused right is the configuration's fault, and says so."""
    section = {**scene.section, "noauth_roles": "reader"}
    network = cloud.network("192.168.9.0/29", shared=True)
    subnet = SubnetRef(key=scene.subnet.key, project_id=TENANT, net_id=network["id"])
    plugin = plugin_on(section, DriverMode.MANAGED)
    with pytest.raises(InvalidNetwork, match="provider attributes"):
        plugin.allocate(subnet, scene.claims(), host="h")
    flat = {**section, "network": network["id"], "bind_ports": False}
    with pytest.raises(InvalidNetwork, match="lacks a right"):
        plugin_on(flat, DriverMode.FLAT).allocate(subnet, scene.claims(), host="h")
