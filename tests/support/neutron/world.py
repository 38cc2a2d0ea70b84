"""Small worlds on a real Neutron, as the conformance suite wants them."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.neutron_config import Settings
from abaca.network.neutron_remote import Remote
from abaca.network.plugin import Allocation, PluginHost, SubnetRef
from abaca.testing.network_subject import REMOTE_FAULTS, Subject
from abaca.testing.power import Power
from support.fault_proxy import FAULTS, Fault, fault_proxy
from support.foreign import openstacksdk, raise_on
from support.neutron.server import AGENT_HOST

SERVICE_PROJECT = "a" * 32
TENANT = "1" * 32
OTHER_TENANT = "2" * 32
ROLES = "admin,member,reader"
_numbers = itertools.count(1)


class _Unused:
    """The plugin needs nothing of its host but the mode."""


class TickingAdapter(HTTPAdapter):
    """Ticks when an answer is there, before anybody has seen it."""

    def __init__(self, power: Power, *, asking: bool) -> None:
        super().__init__()
        self._power = power
        self._asking = asking

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """As always, and then perhaps the lights go out."""
        response = super().send(request, *args, **kwargs)
        assert response.content is not None  # read now, so that the connection is free again
        asked = request.method == "GET" and not self._asking
        self._power.tick(f"{request.method} {request.path_url}", asked=asked)
        return response


def access(url: str) -> dict[str, object]:
    """How a section says that it is a Neutron that trusts headers."""
    return {
        "auth_type": "none",
        "endpoint_override": url,
        "noauth_project_id": SERVICE_PROJECT,
    }


def section(url: str, **more: object) -> dict[str, object]:
    """The section of a configuration file, of the one deployment that there is."""
    return {"network_plugin": "neutron", **access(url), "owner_tag": "abaca-test", **more}


def values(url: str, **more: object) -> dict[str, object]:
    """A section for a plugin alone, of a deployment that nobody else is."""
    return {
        **access(url),
        "noauth_roles": ROLES,
        "owner_tag": f"abaca-{uuid.uuid4().hex[:8]}",
        "binding_host": AGENT_HOST,
        "request_timeout": 60,
        **more,
    }


def plugin_on(
    section: Mapping[str, object],
    mode: DriverMode,
    power: Power | None = None,
    *,
    asking: bool = False,
) -> NeutronPlugin:
    """An instance as the manager makes it; with ``power``, its every call outside ticks.

    ``asking``: those that only ask may be the last before a cut too.
    """
    host = PluginHost(
        name="host1",
        mode=mode,
        ledger=_Unused(),  # type: ignore[arg-type]
        registry=_Unused(),  # type: ignore[arg-type]
        fabric=None,
    )
    plugin = NeutronPlugin.from_config("net", section, host)
    if power is not None:
        plugin.remote.session().session.mount("http://", TickingAdapter(power, asking=asking))
    return plugin


class Cloud:
    """What a cloud's operator and its tenants do, straight on Neutron's API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._remotes: dict[tuple[str, str], Remote] = {}

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        project: str = SERVICE_PROJECT,
        roles: str = ROLES,
        query: Mapping[str, object] | None = None,
    ) -> Any:
        """The decoded answer of a call that must succeed."""
        section = values(self.url, noauth_project_id=project, noauth_roles=roles, network="unused")
        if (project, roles) not in self._remotes:
            access = Settings.parse("cloud", section, DriverMode.FLAT).access
            self._remotes[project, roles] = Remote(access)
        answer = (
            self._remotes[project, roles]
            .client()
            .request(path, method, raise_exc=False, json=body, params=query or {})
        )
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def network(self, *cidrs: str, project: str = TENANT, **attributes: object) -> dict[str, Any]:
        """A network with these subnets: its attributes, and ``subnet_list``."""
        body = {"name": f"net{next(_numbers)}", "project_id": project, **attributes}
        network = self.call("POST", "/networks", {"network": body})["network"]
        network["subnet_list"] = [self.subnet(network, cidr) for cidr in cidrs]
        return dict(network)

    def subnet(self, network: Mapping[str, Any], cidr: str, **attributes: object) -> dict[str, Any]:
        """One more subnet of a network."""
        body = {
            "network_id": network["id"],
            "project_id": network["project_id"],
            "ip_version": 6 if ":" in cidr else 4,
            "cidr": cidr,
            "enable_dhcp": False,
            **attributes,
        }
        return dict(self.call("POST", "/subnets", {"subnet": body})["subnet"])

    def router(self, *subnets: Mapping[str, Any], project: str = TENANT) -> dict[str, Any]:
        """A router of the tenant's, with these subnets' gateway addresses."""
        body = {"name": f"router{next(_numbers)}", "project_id": project}
        router = self.call("POST", "/routers", {"router": body})["router"]
        for subnet in subnets:
            path = f"/routers/{router['id']}/add_router_interface"
            self.call("PUT", path, {"subnet_id": subnet["id"]})
        return dict(router)

    def ports(self, **query: object) -> list[dict[str, Any]]:
        """Ports that match."""
        return list(self.call("GET", "/ports", query=query)["ports"])

    def left(self, owner_tag: str) -> list[str]:
        """What of a deployment is there: ports, networks, and interfaces on them."""
        ports = self.ports(device_owner=f"{owner_tag}:share-server")
        networks = [
            item
            for item in self.call("GET", "/networks")["networks"]
            if item["name"].startswith(f"{owner_tag}/")
        ]
        interfaces = [port for item in networks for port in self.ports(network_id=item["id"])]
        found = [*ports, *networks, *interfaces]
        return sorted({str(item["id"]) for item in found})

    def clear(self, network_id: str) -> None:
        """The network is gone, whatever was on it."""
        for port in self.ports(network_id=network_id):
            if port["device_owner"].startswith("network:router"):
                path = f"/routers/{port['device_id']}/remove_router_interface"
                self.call("PUT", path, {"port_id": port["id"]})
            else:
                self.call("DELETE", f"/ports/{port['id']}")
        self.call("DELETE", f"/networks/{network_id}")


def subject(
    cloud: Cloud,
    network: Mapping[str, Any],
    mode: DriverMode,
    *,
    capacity: int,
    asking: bool = False,
    **more: object,
) -> Subject:
    """A section on a network of a cloud; ``asking`` as in `plugin_on`."""
    power = Power()
    flat = mode is DriverMode.FLAT
    if flat:
        more = {"network": network["id"], **more}
    section = values(cloud.url, **more)
    one = network["subnet_list"][0]["id"] if len(network["subnet_list"]) == 1 else None
    subnet = SubnetRef(key="net")
    if not flat:
        subnet = SubnetRef(
            key=str(uuid.uuid4()), project_id=TENANT, net_id=network["id"], subnet_id=one
        )

    def lose(found: Allocation) -> None:
        cloud.call("DELETE", f"/ports/{found.id}")

    def wrong() -> tuple[NeutronPlugin, SubnetRef]:
        if flat:
            return plugin_on({**section, "network": "no-such-network"}, mode), subnet
        return plugin_on(section, mode), replace(subnet, net_id="no-such-network", subnet_id=None)

    @contextmanager
    def failing(fault: Fault) -> Iterator[NeutronPlugin]:
        patience = 0.1 if fault.delay else 60
        with fault_proxy(cloud.url) as proxy, proxy.failing(fault):
            changed = {"endpoint_override": proxy.url, "request_timeout": patience}
            yield plugin_on({**section, **changed}, mode)

    spoiled = functools.cache(functools.partial(plugin_on, section, mode))

    @contextmanager
    def raising(error: Exception) -> Iterator[NeutronPlugin]:
        plugin = spoiled()
        raise_on(plugin.remote.session().session, error)
        yield plugin

    return Subject(
        make=lambda: plugin_on(section, mode, power, asking=asking),
        mode=mode,
        subnet=subnet,
        capacity=capacity,
        wrong=wrong,
        wrong_values={**section, "owner_tag": ""},
        power=power,
        lose=lose,
        vanish=lambda: cloud.clear(network["id"]),
        left=lambda: cloud.left(str(section["owner_tag"])),
        faults={name: functools.partial(failing, FAULTS[name]) for name in REMOTE_FAULTS},
        foreign=openstacksdk(),
        raising=raising,
        in_process=functools.partial(plugin_on, section, mode),
    )
