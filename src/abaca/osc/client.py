"""Calls to the Shared File Systems API, in the session that the `openstack` client has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from osc_lib.exceptions import CommandError

SERVICE_TYPES = ("shared-file-system", "sharev2")
# Abaca's additions are there at every version; from this one share networks have a status.
HEADERS = {"X-OpenStack-Manila-API-Version": "2.63", "Accept": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Calls as the user who logged in; a refusal is a `CommandError` with the service's words."""

    session: Any
    """Of keystoneauth1."""
    endpoint: str

    @classmethod
    def of(cls, manager: Any) -> Client:
        """The one of a client manager: its endpoint override, else the service catalogue."""
        override = getattr(manager._cli_options, "os_endpoint_override", None)  # noqa: SLF001
        found = override or next(filter(None, map(_endpoint(manager), SERVICE_TYPES)), None)
        if found is None:
            raise CommandError(
                f"The service catalogue has no endpoint of type {' or '.join(SERVICE_TYPES)}."
            )
        manager.setup_auth()
        return cls(session=manager.session, endpoint=str(found).rstrip("/"))

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What the service answers; None without content."""
        answer = self._request(method, path, body)
        if not answer.ok:
            raise CommandError(_refusal(answer))
        return answer.json() if answer.content else None

    def network(self, name_or_id: str, **filters: str) -> str:
        """The ID of the one share network that the caller sees by this ID or name."""
        answer = self._request("GET", f"/share-networks/{quote(name_or_id, safe='')}")
        # "default" is a path of its own, with another answer: it can only be a name.
        if answer.ok and "share_network" in answer.json():
            return str(answer.json()["share_network"]["id"])
        wanted = urlencode({"name": name_or_id, **filters})
        found = self.call("GET", f"/share-networks?{wanted}")["share_networks"]
        if len(found) == 1:
            return str(found[0]["id"])
        if found:
            ids = ", ".join(sorted(item["id"] for item in found))
            raise CommandError(f"{len(found)} share networks have the name {name_or_id}: {ids}.")
        raise CommandError(f"No share network has the name or ID {name_or_id}.")

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        content = {} if body is None else {"json": body}
        return self.session.request(
            f"{self.endpoint}{path}", method, headers=HEADERS, raise_exc=False, **content
        )


def _endpoint(manager: Any) -> Any:
    def of_type(service_type: str) -> str | None:
        found: str | None = manager.get_endpoint_for_service_type(
            service_type, region_name=manager.region_name, interface=manager.interface
        )
        return found

    return of_type


def _refusal(answer: Any) -> str:
    """``{"conflict": {"code": 409, "message": "..."}}`` in words."""
    try:
        (told,) = answer.json().values()
        message = str(told["message"])
    except (ValueError, AttributeError, TypeError, KeyError):
        message = "The service refused, and does not say why."
    return f"{message} (HTTP {answer.status_code})"
