"""Calls to one Neutron, one function each: every one may be the last thing that a process does.

Sessions, catalog and credentials are openstacksdk's. Answers are read here and
not by its resource classes, since those take an answer that makes no sense for
an empty list; and what is not in a list would be thought deleted.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from abaca.errors import InvalidNetwork, NetworkNotFound, NetworkUnavailable
from abaca.network.credentials import Access
from abaca.network.neutron_errors import refusal, translated
from abaca.network.neutron_values import NeutronNetwork, NeutronPort, NeutronSubnet
from abaca.steps import step

if TYPE_CHECKING:
    import requests

Query = Mapping[str, str | Sequence[str] | bool]
Body = Mapping[str, object]
IDS_PER_CALL = 40
"""So many IDs fit into a URL."""


class Remote:
    """Neutron, as one user sees it. Thread-safe; connects at the first call."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._connection: Any = None
        self._client: Any = None

    def session(self) -> Any:  # noqa: ANN401 - a keystoneauth1.session.Session, untyped here
        """The keystoneauth session, which asks nothing by itself."""
        with self._lock, translated():
            return self._connected().session

    def client(self) -> Any:  # noqa: ANN401 - a keystoneauth1.adapter.Adapter, untyped here
        """What sends requests to Neutron's v2.0 API; may have to ask Keystone where that is.

        Not ``connection.network``: one failed discovery, or a catalog that lacked Neutron
        once, would be remembered for ever.
        """
        with self._lock, translated():
            if self._client is None:
                self._client = _adapter(self._connected())
            return self._client

    def _connected(self) -> Any:  # noqa: ANN401 - an openstack.connection.Connection
        if self._connection is None:
            self._connection = _connect(self._access)
            # Who drops this object drops its HTTP connections.
            weakref.finalize(self, self._connection.session.session.close)
        return self._connection

    @step("neutron.project")
    def project_id(self) -> str:
        """The project that owns what is made here."""
        headers = self._access.headers
        if "X-Project-Id" in headers:
            return headers["X-Project-Id"]
        session = self.session()
        with translated():
            found = session.get_project_id()
        if not isinstance(found, str) or not found:
            raise NetworkUnavailable("Keystone's token is for no project")
        return found

    @step("neutron.extensions")
    def extensions(self) -> frozenset[str]:
        """Aliases of the API extensions that are there."""
        found = self._list("extensions", {"fields": "alias"})
        return frozenset(str(item.get("alias")) for item in found)

    @step("neutron.network")
    def network(self, network_id: str) -> NeutronNetwork:
        """By ID; NetworkNotFound if there is none that this user may see."""
        return NeutronNetwork.parse(self._one("GET", f"/networks/{network_id}", "network"))

    @step("neutron.networks")
    def networks(self, **query: str) -> list[NeutronNetwork]:
        """Those that match."""
        return [NeutronNetwork.parse(item) for item in self._list("networks", query)]

    @step("neutron.subnets")
    def subnets(self, **query: str | Sequence[str]) -> list[NeutronSubnet]:
        """Those that match."""
        return [NeutronSubnet.parse(item) for item in self._list("subnets", query)]

    @step("neutron.shared_with")
    def shared_with(self, network_id: str) -> list[str]:
        """Projects that may use the network though it is another's; ``*`` for all."""
        query = {"object_type": "network", "object_id": network_id, "action": "access_as_shared"}
        try:
            found = self._list("rbac-policies", query)
        except NetworkNotFound:  # there is no such extension: then there are no such projects
            return []
        return [str(item.get("target_tenant")) for item in found]

    @step("neutron.ports")
    def ports(self, **query: str | Sequence[str]) -> list[NeutronPort]:
        """Those that match."""
        return [NeutronPort.parse(item) for item in self._list("ports", query)]

    def ports_of(self, device_ids: Sequence[str], **query: str) -> list[NeutronPort]:
        """Those of these devices that match."""
        left = iter(dict.fromkeys(device_ids))
        found: list[NeutronPort] = []
        while part := list(islice(left, IDS_PER_CALL)):
            found += self.ports(device_id=part, **query)
        return found

    @step("neutron.create_ports")
    def create_ports(self, bodies: Sequence[Body]) -> list[NeutronPort]:
        """All of them in one call, or none; in the order given."""
        answer = self._call("POST", "/ports", body={"ports": list(bodies)})
        found = [NeutronPort.parse(item) for item in _entries(answer, "ports")]
        by_claim = {(item.device_id, item.name): item for item in found}
        asked = [(str(body["device_id"]), str(body["name"])) for body in bodies]
        if len(found) != len(asked) or set(by_claim) != set(asked):
            raise NetworkUnavailable("Neutron did not answer with the ports that it was asked for")
        return [by_claim[claim] for claim in asked]

    @step("neutron.update_port")
    def update_port(self, port_id: str, body: Body) -> NeutronPort:
        """The port with these changes."""
        return NeutronPort.parse(self._one("PUT", f"/ports/{port_id}", "port", {"port": body}))

    @step("neutron.delete_port")
    def delete_port(self, port_id: str) -> None:
        """It is gone, or was."""
        self._delete(f"/ports/{port_id}")

    @step("neutron.create_network")
    def create_network(self, body: Body) -> NeutronNetwork:
        """A new network."""
        return NeutronNetwork.parse(self._one("POST", "/networks", "network", {"network": body}))

    @step("neutron.delete_network")
    def delete_network(self, network_id: str) -> None:
        """It is gone with its subnets, or was. NetworkUnavailable if something is on it."""
        self._delete(f"/networks/{network_id}")

    @step("neutron.create_subnet")
    def create_subnet(self, body: Body) -> NeutronSubnet:
        """A new subnet."""
        return NeutronSubnet.parse(self._one("POST", "/subnets", "subnet", {"subnet": body}))

    @step("neutron.delete_subnet")
    def delete_subnet(self, subnet_id: str) -> None:
        """It is gone, or was."""
        self._delete(f"/subnets/{subnet_id}")

    @step("neutron.router_routes")
    def router_routes(self, router_id: str) -> list[str]:
        """Destinations of a router's extra routes."""
        router = self._one("GET", f"/routers/{router_id}", "router")
        routes = router.get("routes") or []
        if not isinstance(routes, list):
            raise _senseless("a router's routes are no list")
        return [str(item["destination"]) for item in routes if isinstance(item, dict)]

    @step("neutron.add_interface")
    def add_interface(self, router_id: str, subnet_id: str) -> None:
        """The router is the gateway of the subnet."""
        self._call(
            "PUT", f"/routers/{router_id}/add_router_interface", body={"subnet_id": subnet_id}
        )

    @step("neutron.remove_interface")
    def remove_interface(self, router_id: str, port_id: str) -> None:
        """The router has no such port, or had none."""
        try:
            self._call(
                "PUT", f"/routers/{router_id}/remove_router_interface", body={"port_id": port_id}
            )
        except NetworkNotFound:
            return

    def _delete(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except NetworkNotFound:
            return

    def _list(self, kind: str, query: Query) -> list[dict[str, object]]:
        """All pages of a collection; the first one if the query has a limit."""
        name = kind.replace("-", "_")
        found: list[dict[str, object]] = []
        more: dict[str, str] = {}
        while True:
            answer = self._call("GET", f"/{kind}", query={**query, **more})
            page = _entries(answer, name)
            found += page
            links = answer.get(f"{name}_links") or []
            if (
                "limit" in query
                or not page
                or not isinstance(links, list)
                or not any(_is_next(item) for item in links)
            ):
                return found
            more = {"marker": str(page[-1].get("id")), "limit": str(len(page))}

    def _one(
        self, method: str, path: str, name: str, body: Body | None = None
    ) -> dict[str, object]:
        found = self._call(method, path, body=body).get(name)
        if not isinstance(found, dict):
            raise _senseless(f"it has no {name}")
        return found

    def _call(
        self, method: str, path: str, *, query: Query | None = None, body: Body | None = None
    ) -> dict[str, object]:
        kwargs: dict[str, object] = {}
        if query:
            kwargs["params"] = query
        if body is not None:
            kwargs["json"] = body
        with translated():
            # A request that Neutron may have got is not repeated here: its caller looks first.
            response: requests.Response = self.client().request(
                path, method, raise_exc=False, **kwargs
            )
            return _answer(method, response)


def _connect(access: Access) -> Any:  # noqa: ANN401 - an openstack.connection.Connection, untyped here
    try:
        from openstack.connection import Connection  # noqa: PLC0415 - slow to import
    except ImportError as error:
        raise InvalidNetwork(f"{error}; install abaca[neutron]") from error
    return Connection(
        session=access.session(),
        region_name=access.region,
        network_interface=access.interface,
        network_endpoint_override=f"{access.endpoint}/v2.0" if access.endpoint else None,
    )


def _adapter(connection: Any) -> Any:  # noqa: ANN401 - types of untyped libraries
    from keystoneauth1.adapter import Adapter  # noqa: PLC0415 - slow to import

    found = connection.config.get_session_client("network")
    return Adapter(session=connection.session, endpoint_override=found.endpoint_override)


def _answer(method: str, response: requests.Response) -> dict[str, object]:
    """The body of an answer that says yes."""
    status = response.status_code
    if status < 300 and method == "DELETE":  # noqa: PLR2004
        return {}
    try:
        body = response.json()
    except json.JSONDecodeError as error:
        if status >= 400 and status != 404:  # noqa: PLR2004
            raise refusal(status, "", " ".join(response.text.split())[:200]) from error
        raise _senseless(f"HTTP {status} without JSON; is the endpoint right?") from error
    if not isinstance(body, dict):
        raise _senseless(f"HTTP {status} with {type(body).__name__}")
    if status < 300:  # noqa: PLR2004
        return body
    fault = body.get("NeutronError") or body.get("error")
    if isinstance(fault, dict):
        text = str(fault.get("message") or fault.get("title") or "no reason given")
        raise refusal(status, str(fault.get("type") or ""), " ".join(text.split()))
    if status == 404:  # noqa: PLR2004 - not of Neutron's making: a proxy's, or a wrong URL
        raise _senseless("HTTP 404 that is not Neutron's; is the endpoint right?")
    raise refusal(status, "", str(fault or body)[:300])


def _entries(answer: Mapping[str, object], name: str) -> list[dict[str, object]]:
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _senseless(f"it has no {name}")
    return found


def _is_next(link: object) -> bool:
    return isinstance(link, dict) and link.get("rel") == "next"


def _senseless(why: str) -> NetworkUnavailable:
    return NetworkUnavailable(f"Neutron's answer makes no sense: {why}")
