"""Plugs machines of a tenant into the network that a plugin made for its share network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sqlalchemy import or_, select

from abaca.config import Config
from abaca.db import share_networks
from abaca.db import tables as t
from abaca.db.database import Database
from abaca.errors import BadRequest, Conflict, NotFound
from abaca.model.share_network import ShareNetwork
from abaca.modes import DriverMode
from abaca.network.plugin import Segment, SubnetRef
from abaca.service.managers import make_backends


@runtime_checkable
class Joinable(Protocol):
    """Optional power of a plugin that makes networks of its own."""

    def makes_networks(self) -> bool:
        """True if a share network without any network ID can be served."""

    def join(self, subnet: SubnetRef, *, netns: str, interface: str) -> tuple[str, ...]:
        """Plug a namespace in; its addresses with their prefix lengths."""

    def leave(self, subnet: SubnetRef, *, netns: str, interface: str) -> None:
        """Unplug it and give its address back."""

    def join_bridge(
        self, subnet: SubnetRef, *, bridge: str, machines: int
    ) -> tuple[tuple[str, ...], ...]:
        """Join a bridge; addresses with their prefix lengths for each machine behind it."""

    def leave_bridge(self, subnet: SubnetRef, *, bridge: str) -> None:
        """Part it again and give the addresses of its machines back."""

    def describe(self, subnet: SubnetRef) -> Segment:
        """What the subnet is, once it was joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeJoined:
    """A bridge is on a network: what its machines are to be given."""

    machines: tuple[tuple[str, ...], ...]
    """For each the addresses with prefix lengths, one per IP version."""
    mtu: int
    """The most that they may send in one packet, in bytes."""


def join_network(
    config: Config, db: Database, share_network: str, *, netns: str, interface: str
) -> list[str]:
    """Plug the namespace in, on each subnet; the addresses that it has got."""
    plugin, subnets = _find(config, db, share_network)
    return [
        address
        for subnet in subnets
        for address in plugin.join(subnet, netns=netns, interface=interface)
    ]


def leave_network(
    config: Config, db: Database, share_network: str, *, netns: str, interface: str
) -> None:
    """Unplug it; succeeds if it was not plugged in."""
    plugin, subnets = _find(config, db, share_network)
    for subnet in subnets:
        plugin.leave(subnet, netns=netns, interface=interface)


def join_bridge(
    config: Config, db: Database, share_network: str, *, bridge: str, machines: int
) -> BridgeJoined:
    """Join a bridge of this host with the network, and keep addresses for machines behind it."""
    plugin, subnets = _find(config, db, share_network)
    if len(subnets) > 1:
        raise Conflict(
            f"{share_network} has several networks of Abaca's own, one per availability zone: a "
            "bridge can't be on more than one"
        )
    found = plugin.join_bridge(subnets[0], bridge=bridge, machines=machines)
    return BridgeJoined(machines=found, mtu=plugin.describe(subnets[0]).mtu)


def leave_bridge(config: Config, db: Database, share_network: str, *, bridge: str) -> None:
    """Part them again; succeeds if the bridge was not joined."""
    plugin, subnets = _find(config, db, share_network)
    for subnet in subnets:
        plugin.leave_bridge(subnet, bridge=bridge)


def _find(config: Config, db: Database, name: str) -> tuple[Joinable, list[SubnetRef]]:
    network = _share_network(db, name)
    for backend in make_backends(config, db):
        plugin: object = backend.plugin
        managed = backend.mode is DriverMode.MANAGED
        if managed and isinstance(plugin, Joinable) and plugin.makes_networks():
            return plugin, _own_subnets(network)
    raise BadRequest(
        "no backend of this host makes networks: give a network section of a managed_multi_svm "
        "backend service_cidr and segmentation_ids"
    )


def _share_network(db: Database, name: str) -> ShareNetwork:
    where = or_(t.share_networks.c.id == name, t.share_networks.c.name == name)
    with db.read() as tx:
        found = tx.execute(select(t.share_networks.c.id).where(where)).scalars().all()
        if len(found) > 1:
            raise Conflict(f"several share networks have the name {name}; give an ID")
        network = share_networks.visible(tx, found[0], None) if found else None
    if network is None:
        raise NotFound(f"no share network has the name or ID {name}")
    return network


def _own_subnets(network: ShareNetwork) -> list[SubnetRef]:
    """Those that name no network of the tenant's; the share network itself if it has none."""
    if not network.subnets:
        return [
            SubnetRef(key=network.id, project_id=network.project_id, share_network_id=network.id)
        ]
    found = [
        SubnetRef(key=item.id, project_id=network.project_id, share_network_id=network.id)
        for item in network.subnets
        if not item.names_network
    ]
    if not found:
        raise BadRequest(
            f"{network.id} names networks of the tenant: its machines are there already"
        )
    return found
