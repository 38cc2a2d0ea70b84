"""Asking the scheduler again, for a share whose backend can't take it after all."""

from __future__ import annotations

from collections.abc import Collection

from abaca.db import share_instances, share_networks, share_types
from abaca.db.database import Tx
from abaca.model.share import Share
from abaca.scheduler.place import place
from abaca.scheduler.request import NoPlace, Placement, PlacementRequest


def place_again(tx: Tx, share: Share, excluded: Collection[str]) -> Placement | NoPlace:
    """Another place for the share, by all that was asked when it was created."""
    only = share.request.get("only_host")
    zone = share.request.get("availability_zone")
    network_id = share.request.get("share_network_id") or share.effective_share_network_id
    share_type = share_types.get(tx, share.share_type_id)
    request = PlacementRequest(
        share_id=share.instance.id,
        project_id=share.project_id,
        size_gib=share.size,
        protocol=share.share_proto,
        extra_specs=share_type.extra_specs if share_type else {},
        share_network=share_networks.visible(tx, str(network_id), None, lock=True)
        if network_id
        else None,
        availability_zone=zone if isinstance(zone, str) else None,
        # A clone is where its snapshot is.
        source_host=share.instance.host if share.snapshot_id else None,
        same_host=_hosts(tx, share, "same_host"),
        different_host=_hosts(tx, share, "different_host"),
        only_host=only if isinstance(only, str) else None,
    )
    return place(tx, request, excluded)


def _hosts(tx: Tx, share: Share, hint: str) -> frozenset[str]:
    """``host@backend`` of the shares that a scheduler hint names."""
    named = share.request.get(hint)
    ids = [str(item) for item in named] if isinstance(named, list | tuple) else []
    found = share_instances.hosts_of_shares(tx, share.project_id, ids)
    return frozenset(host for host in found.values() if host)
