"""A share network: which network a tenant wants its shares on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from abaca.states import NetworkStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareNetworkSubnet:
    """One subnet of a share network, in one availability zone or (None) in all."""

    id: str
    share_network_id: str
    availability_zone: str | None
    neutron_net_id: str | None
    neutron_subnet_id: str | None
    nova_net_id: str | None
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime | None

    @property
    def names_network(self) -> bool:
        """True if it names a network of the tenant's."""
        return bool(self.neutron_net_id or self.nova_net_id)


def subnets_in(
    subnets: Sequence[ShareNetworkSubnet], availability_zone: str
) -> tuple[ShareNetworkSubnet, ...]:
    """Those of the zone; if it has none of its own, those of every zone."""
    own = tuple(s for s in subnets if s.availability_zone == availability_zone)
    return own or tuple(s for s in subnets if s.availability_zone is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareNetwork:
    """A share network with its subnets."""

    id: str
    project_id: str
    user_id: str | None
    name: str | None
    description: str | None
    status: NetworkStatus
    is_public: bool
    default_slot: int | None
    created_at: datetime
    updated_at: datetime | None
    subnets: tuple[ShareNetworkSubnet, ...] = ()

    def subnets_in(self, availability_zone: str) -> tuple[ShareNetworkSubnet, ...]:
        """Those of the zone; if it has none of its own, those of every zone."""
        return subnets_in(self.subnets, availability_zone)
