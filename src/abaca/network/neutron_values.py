"""Neutron's resources as values. An answer that lacks what it must have is NetworkUnavailable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from abaca.errors import NetworkUnavailable
from abaca.network.plugin import IPAddress, Route, Subnet

ROUTER_INTERFACES = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)
"""``device_owner`` of a router's port on a subnet, by kind of router."""
UNUSABLE = ("binding_failed", "unbound")
Answer = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronSegment:
    """One wire of a network; multi-segment networks have several."""

    network_type: str | None
    """None where the credentials may not see it."""
    physical_network: str | None
    segmentation_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronNetwork:
    """A network, with its wires."""

    id: str
    name: str
    project_id: str
    description: str
    shared: bool
    mtu: int | None
    segments: tuple[NeutronSegment, ...]
    subnet_ids: tuple[str, ...]
    created_at: datetime | None

    @classmethod
    def parse(cls, raw: Answer) -> NeutronNetwork:
        """From an answer."""
        return cls(
            id=_text(raw, "id"),
            name=_text(raw, "name"),
            project_id=_text(raw, "project_id"),
            description=str(raw.get("description") or ""),
            shared=raw.get("shared") is True,
            mtu=_number(raw, "mtu"),
            segments=_segments(raw),
            subnet_ids=tuple(str(item) for item in _list(raw, "subnets")),
            created_at=_time(raw),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronSubnet:
    """A subnet; ``value`` is what the contract wants to know of it."""

    id: str
    name: str
    network_id: str
    project_id: str
    created_at: datetime | None
    value: Subnet

    @classmethod
    def parse(cls, raw: Answer) -> NeutronSubnet:
        """From an answer."""
        try:
            gateway = raw.get("gateway_ip")
            value = Subnet(
                cidr=ip_network(_text(raw, "cidr")),
                gateway=ip_address(str(gateway)) if gateway else None,
                routes=tuple(
                    Route(
                        destination=ip_network(_text(item, "destination")),
                        next_hop=ip_address(_text(item, "nexthop")),
                    )
                    for item in _mappings(raw, "host_routes")
                ),
            )
        except ValueError as error:
            raise _senseless("subnet", str(error)) from error
        return cls(
            id=_text(raw, "id"),
            name=_text(raw, "name"),
            network_id=_text(raw, "network_id"),
            project_id=_text(raw, "project_id"),
            created_at=_time(raw),
            value=value,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronPort:
    """A port."""

    id: str
    name: str
    network_id: str
    project_id: str
    device_id: str
    device_owner: str
    mac_address: str
    addresses: tuple[tuple[str, IPAddress], ...]
    """Subnet ID and address."""
    host: str
    vif_type: str | None
    """None where the credentials may not see it."""
    status: str
    created_at: datetime | None

    @classmethod
    def parse(cls, raw: Answer) -> NeutronPort:
        """From an answer."""
        try:
            addresses = tuple(
                (_text(item, "subnet_id"), ip_address(_text(item, "ip_address")))
                for item in _mappings(raw, "fixed_ips")
            )
        except ValueError as error:
            raise _senseless("port", str(error)) from error
        vif = raw.get("binding:vif_type")
        return cls(
            id=_text(raw, "id"),
            name=_text(raw, "name"),
            network_id=_text(raw, "network_id"),
            project_id=_text(raw, "project_id"),
            device_id=_text(raw, "device_id"),
            device_owner=_text(raw, "device_owner"),
            mac_address=_text(raw, "mac_address"),
            addresses=addresses,
            host=str(raw.get("binding:host_id") or ""),
            vif_type=str(vif) if vif else None,
            status=str(raw.get("status") or ""),
            created_at=_time(raw),
        )

    def address_in(self, subnet_id: str) -> IPAddress | None:
        """Its first address in that subnet."""
        return next((found for where, found in self.addresses if where == subnet_id), None)


def _segments(raw: Answer) -> tuple[NeutronSegment, ...]:
    parts = _mappings(raw, "segments") or [raw]
    return tuple(
        NeutronSegment(
            network_type=_optional(item, "provider:network_type"),
            physical_network=_optional(item, "provider:physical_network"),
            segmentation_id=_number(item, "provider:segmentation_id"),
        )
        for item in parts
    )


def _optional(raw: Answer, name: str) -> str | None:
    value = raw.get(name)
    return str(value) if value else None


def _number(raw: Answer, name: str) -> int | None:
    value = raw.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(raw: Answer, name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str):
        raise _senseless(name, f"{value!r} is no text")
    return value


def _list(raw: Answer, name: str) -> list[object]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _senseless(name, f"{value!r} is no list")
    return value


def _mappings(raw: Answer, name: str) -> list[Answer]:
    found = _list(raw, name)
    if not all(isinstance(item, Mapping) for item in found):
        raise _senseless(name, "an entry is no object")
    return found  # type: ignore[return-value]


def _time(raw: Answer) -> datetime | None:
    value = raw.get("created_at")
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise _senseless("created_at", str(error)) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _senseless(what: str, why: str) -> NetworkUnavailable:
    return NetworkUnavailable(f"Neutron's answer makes no sense: {what}: {why[:200]}")
