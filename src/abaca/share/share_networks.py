"""What the API does with share networks and their subnets.

A share network may be without subnets, and a subnet without network IDs: what
they say is the plugin's to understand, and no plugin is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from abaca.context import Context
from abaca.db import (
    public_networks,
    share_network_subnets,
    share_networks,
    share_servers,
)
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, Conflict, Forbidden, NotFound
from abaca.model.quota import Resource
from abaca.model.share_network import ShareNetwork
from abaca.share.quota import reserve
from abaca.share.share_network_subnets import SubnetSpec, new_subnet
from abaca.share.share_servers import remove_unused
from abaca.states import NetworkStatus


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
        network = replace(network, subnets=(new_subnet(tx, network.id, subnet),))
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
        spec = _spec(values)
        share_network_subnets.add(tx, new_subnet(tx, network.id, spec))
        return
    (one,) = found
    known = {name: getattr(one, name) for name in _NETWORK_IDS}
    _spec({**known, **values}).check()
    share_network_subnets.change(tx, one.id, **values)


_NETWORK_IDS = ("neutron_net_id", "neutron_subnet_id", "nova_net_id")


def _spec(values: Mapping[str, str | None]) -> SubnetSpec:
    return SubnetSpec(
        neutron_net_id=values.get("neutron_net_id"),
        neutron_subnet_id=values.get("neutron_subnet_id"),
        nova_net_id=values.get("nova_net_id"),
    )


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
    servers = share_servers.of_network(tx, network_id)
    kept = [item for item in servers if not item.is_auto_deletable and item.slot is not None]
    if kept or not all(item.status.is_ours for item in servers):
        raise Conflict(
            f"Share network {network_id} has share servers that an administrator brought in: "
            "they have to be deleted or unmanaged first."
        )
    for server in servers:
        remove_unused(tx, ctx, server)
    share_networks.change(tx, network_id, status=str(NetworkStatus.DELETING))
    share_networks.finish_removal(tx, network_id)
