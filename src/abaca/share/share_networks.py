"""What the API does with share networks and their subnets.

A share network may be without subnets, and a subnet without network IDs: what
they say is the plugin's to understand, and no plugin is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from abaca.context import Context
from abaca.db import (
    availability_zones,
    public_networks,
    share_network_subnets,
    share_networks,
    share_servers,
)
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, Conflict, Forbidden, NotFound
from abaca.model.quota import Resource
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.share.quota import reserve
from abaca.share.share_servers import remove_unused
from abaca.states import NetworkStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSpec:
    """What a request says of a subnet; opaque here, but for the zone."""

    neutron_net_id: str | None = None
    neutron_subnet_id: str | None = None
    nova_net_id: str | None = None
    availability_zone: str | None = None

    @property
    def says_something(self) -> bool:
        """False if a share network with it alone needs no subnet at all."""
        return any((self.neutron_net_id, self.nova_net_id, self.availability_zone))

    def check(self) -> None:
        """`BadRequest` if it names a network by halves, or twice."""
        if bool(self.neutron_net_id) != bool(self.neutron_subnet_id):
            raise BadRequest("Give neutron_net_id and neutron_subnet_id, both or neither.")
        if self.neutron_net_id and self.nova_net_id:
            raise BadRequest("Give neutron_net_id or nova_net_id, not both.")


def create(
    tx: Tx,
    ctx: Context,
    *,
    name: str | None,
    description: str | None,
    subnet: SubnetSpec,
    limits: Mapping[Resource, int],
    is_public: bool = False,
) -> ShareNetwork:
    """A new share network of the caller's project, with a subnet if the request names one.

    ``is_public``: for every project; who may ask for that is for the API to say.
    """
    subnet.check()
    reserve(tx, ctx, {Resource.SHARE_NETWORKS: 1}, defaults=limits)
    network = ShareNetwork(
        id=new_id(),
        project_id=ctx.project_id,
        user_id=ctx.user_id,
        name=name,
        description=description,
        status=NetworkStatus.ACTIVE,
        is_public=is_public,
        default_slot=None,
        created_at=now(),
        updated_at=None,
    )
    if subnet.says_something:
        network = replace(network, subnets=(_subnet(tx, network.id, subnet),))
    share_networks.add(tx, network)
    return network


def seen(tx: Tx, ctx: Context, network_id: str) -> ShareNetwork:
    """A share network that the caller may see: the project's own or a public one."""
    network = share_networks.visible(tx, network_id, None if ctx.is_admin else ctx.project_id)
    if network is None:
        raise NotFound(f"Share network {network_id} could not be found.")
    return network


def managed(tx: Tx, ctx: Context, network_id: str) -> ShareNetwork:
    """As `seen`, to change it: nobody puts a share on it until the transaction ends.

    `Forbidden` for a public one of another project's.
    """
    project = None if ctx.is_admin else ctx.project_id
    network = share_networks.visible(tx, network_id, project, lock=True)
    if network is None:
        raise NotFound(f"Share network {network_id} could not be found.")
    if not ctx.is_admin and network.project_id != ctx.project_id:
        raise Forbidden(f"Share network {network_id} belongs to another project.")
    return network


def update(
    tx: Tx, ctx: Context, network_id: str, text: Mapping[str, str | None], subnet: Mapping[str, str]
) -> ShareNetwork:
    """Change ``name`` and ``description``, and the network that its one subnet names."""
    network = managed(tx, ctx, network_id)
    if subnet:
        _update_subnet(tx, network, subnet)
    share_networks.change(tx, network_id, **text)
    return seen(tx, ctx, network_id)


def _update_subnet(tx: Tx, network: ShareNetwork, values: Mapping[str, str]) -> None:
    if share_servers.of_network(tx, network.id):
        raise Forbidden(
            f"Share network {network.id} is used by share servers: "
            "only name and description can be changed."
        )
    everywhere = [item for item in network.subnets if item.availability_zone is None]
    found = everywhere or list(network.subnets)
    if len(found) > 1:
        raise BadRequest(
            f"Share network {network.id} has several subnets: add and delete subnets instead."
        )
    if not found:
        spec = SubnetSpec(**values)
        spec.check()
        share_network_subnets.add(tx, _subnet(tx, network.id, spec))
        return
    (one,) = found
    SubnetSpec(
        neutron_net_id=values.get("neutron_net_id", one.neutron_net_id),
        neutron_subnet_id=values.get("neutron_subnet_id", one.neutron_subnet_id),
        nova_net_id=values.get("nova_net_id", one.nova_net_id),
    ).check()
    share_network_subnets.change(tx, one.id, **values)


def delete(tx: Tx, ctx: Context, network_id: str) -> None:
    """Remove a share network on which no share is.

    It is gone for the API at once; its row waits for the share servers that are
    left on it, which are removed: the last one's final transaction takes it along.
    """
    network = managed(tx, ctx, network_id)
    others = public_networks.use_by_others(tx, network)
    if others.shares:
        raise Conflict(f"Share network {network_id} has {others} on it: they have to go first.")
    count = share_networks.share_count(tx, network_id)
    if count:
        raise Conflict(f"Share network {network_id} has {count} share(s) on it: delete them first.")
    if network.default_slot is not None:
        raise Conflict(f"Share network {network_id} is the default: designate another one first.")
    for server in share_servers.of_network(tx, network_id):
        remove_unused(tx, ctx, server)
    share_networks.change(tx, network_id, status=str(NetworkStatus.DELETING))
    share_networks.finish_removal(tx, network_id)


def add_subnet(tx: Tx, ctx: Context, network_id: str, spec: SubnetSpec) -> ShareNetworkSubnet:
    """Add a subnet for a zone (None: for every zone that has none of its own)."""
    network = managed(tx, ctx, network_id)
    spec.check()
    subnet = _subnet(tx, network_id, spec)
    if any(item.availability_zone == subnet.availability_zone for item in network.subnets):
        zone = subnet.availability_zone or "every zone"
        raise Conflict(f"Share network {network_id} has a subnet for {zone} already.")
    _keep_servers_where_they_are(tx, ctx, network, subnet)
    share_network_subnets.add(tx, subnet)
    return subnet


def _keep_servers_where_they_are(
    tx: Tx, ctx: Context, network: ShareNetwork, subnet: ShareNetworkSubnet
) -> None:
    """`Conflict` if share servers with shares would have to move to the new subnet.

    A zone's servers are on the subnet for every zone until the zone has one of its
    own, and on a network made for them while there is none at all.
    """
    if subnet.availability_zone is not None:
        moved = [item.id for item in network.subnets if item.availability_zone is None]
        zone = subnet.availability_zone
    else:
        moved, zone = [], None
    keys = moved or ([] if network.subnets else [network.id])
    if keys:
        servers = share_network_subnets.servers_on(tx, network.id, keys, zone)
        _free(tx, ctx, servers, f"Share network {network.id}")


def _free(tx: Tx, ctx: Context, server_ids: Sequence[str], what: str) -> None:
    """Have idle share servers go; `Conflict` if some have shares."""
    busy = 0
    for server_id in server_ids:
        server = share_servers.get(tx, server_id)
        busy += server is not None and not remove_unused(tx, ctx, server)
    if busy:
        raise Conflict(
            f"{what} is used by {busy} share server(s) with shares: delete those shares first."
        )


def remove_subnet(tx: Tx, ctx: Context, network_id: str, subnet_id: str) -> None:
    """Remove a subnet that no share is exported on; servers that are idle there go along."""
    network = managed(tx, ctx, network_id)
    subnet_of(network, subnet_id)
    servers = share_network_subnets.servers_on(tx, network_id, [subnet_id])
    _free(tx, ctx, servers, f"Share network subnet {subnet_id}")
    share_network_subnets.remove(tx, subnet_id)


def subnet_of(network: ShareNetwork, subnet_id: str) -> ShareNetworkSubnet:
    """The network's subnet of this ID, or `NotFound`."""
    for subnet in network.subnets:
        if subnet.id == subnet_id:
            return subnet
    raise NotFound(f"Share network subnet {subnet_id} could not be found.")


def _subnet(tx: Tx, network_id: str, spec: SubnetSpec) -> ShareNetworkSubnet:
    zone = None
    if spec.availability_zone is not None:
        found = availability_zones.find(tx, spec.availability_zone)
        if found is None:
            raise BadRequest(f"There is no availability zone {spec.availability_zone}.")
        zone = found.name
    return ShareNetworkSubnet(
        id=new_id(),
        share_network_id=network_id,
        availability_zone=zone,
        neutron_net_id=spec.neutron_net_id,
        neutron_subnet_id=spec.neutron_subnet_id,
        nova_net_id=spec.nova_net_id,
        metadata={},
        created_at=now(),
        updated_at=None,
    )
