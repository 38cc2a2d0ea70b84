"""nova's networks and fixed IPs over HTTP: five calls, each of which may be repeated.

Not through python-novaclient: it lost fixed IPs in 8.0. keystoneauth is imported
only where nova is configured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from abaca.errors import InvalidNetwork, NetworkUnavailable
from abaca.network.credentials import Access
from abaca.network.nova_config import NOVA
from abaca.network.nova_errors import refusal, translated
from abaca.network.nova_values import FixedIp, NovaNetwork
from abaca.network.plugin import IPAddress
from abaca.steps import step

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

MICROVERSION = "2.4"
"""The first that shows ``reserved``. All of this ended with 2.36."""


class NovaApi:
    """The calls. Each raises `abaca.errors.NetworkError` only; safe for threads."""

    def __init__(self, access: Access) -> None:
        self._adapter = _adapter(access)

    @step("nova.networks")
    def networks(self) -> list[NovaNetwork]:
        """Every network."""
        status, body = self._call("GET", "/os-networks")
        found = _object(status, body, "GET /os-networks").get("networks")
        if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
            raise NetworkUnavailable("nova: GET /os-networks: no list of networks in the answer")
        return [NovaNetwork.parse(item) for item in found]

    @step("nova.network")
    def network(self, network_id: str) -> NovaNetwork | None:
        """The network of that ID; None if there is none."""
        path = f"/os-networks/{quote(network_id, safe='')}"
        status, body = self._call("GET", path)
        if _missing(status, body):
            return None
        return NovaNetwork.parse(_part(status, body, f"GET {path}", "network"))

    @step("nova.fixed_ip")
    def fixed_ip(self, address: IPAddress) -> FixedIp | None:
        """What nova knows of the address; None if it is on no network."""
        path = f"/os-fixed-ips/{address}"
        status, body = self._call("GET", path)
        if _missing(status, body):
            return None
        return FixedIp.parse(_part(status, body, f"GET {path}", "fixed_ip"))

    @step("nova.reserve")
    def reserve(self, address: IPAddress) -> bool:
        """Nova gives it to no instance from now on; not exclusive. False if there is none such."""
        return self._act(address, "reserve")

    @step("nova.unreserve")
    def unreserve(self, address: IPAddress) -> bool:
        """Nova may give it to instances again. False if there is no such address (any more)."""
        return self._act(address, "unreserve")

    def _act(self, address: IPAddress, action: str) -> bool:
        path = f"/os-fixed-ips/{address}/action"
        status, body = self._call("POST", path, {action: None})
        if _missing(status, body):
            return False
        if status == HTTPStatus.OK:
            raise NetworkUnavailable(f"nova: POST {path}: HTTP 200, which nova never answers")
        if status != HTTPStatus.ACCEPTED:
            raise refusal(f"POST {path}", status, body)
        return True

    def _call(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        with translated(f"{method} {path}"):
            answer = self._adapter.request(
                path,
                method,
                json=body,
                raise_exc=False,
                redirect=False,
                headers={"Accept": "application/json"},
            )
            return answer.status_code, answer.text


def _adapter(access: Access) -> Adapter:
    try:
        from keystoneauth1.adapter import Adapter  # noqa: PLC0415
    except ImportError as error:
        raise InvalidNetwork(f"{error}; install abaca[nova]") from error
    with translated("log in"):
        return Adapter(
            access.session(),
            service_type=NOVA.type,
            interface=access.interface,
            region_name=access.region,
            endpoint_override=access.endpoint,
            default_microversion=MICROVERSION,
        )


def _missing(status: int, body: str) -> bool:
    """True if nova itself says that there is no such thing, and not only some web server."""
    return status == HTTPStatus.NOT_FOUND and '"itemNotFound"' in body


def _part(status: int, body: str, call: str, name: str) -> Mapping[str, object]:
    found = _object(status, body, call).get(name)
    if not isinstance(found, Mapping):
        raise NetworkUnavailable(f"nova: {call}: no {name} in the answer")
    return found


def _object(status: int, body: str, call: str) -> Mapping[str, object]:
    if status != HTTPStatus.OK:
        raise refusal(call, status, body)
    try:
        found = json.loads(body)
    except ValueError as error:
        raise NetworkUnavailable(f"nova: {call}: the answer is no JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise NetworkUnavailable(f"nova: {call}: the answer is no JSON object")
    return found
