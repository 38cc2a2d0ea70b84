"""Share networks for every project: published, taken back, designated as the default.

A public share network is seen and used by all, and changed by its own project
and administrators; share servers on it are still one per project.
"""

from __future__ import annotations

from abaca.context import Context
from abaca.db import public_networks as db
from abaca.db import share_networks, share_servers
from abaca.db.database import Tx
from abaca.errors import Conflict, NotFound
from abaca.model.share_network import ShareNetwork
from abaca.share.share_servers import remove_unused
from abaca.states import NetworkStatus


def set_public(tx: Tx, ctx: Context, network: ShareNetwork, *, public: bool) -> None:
    """Let every project use the share network, or its own alone; again is the same.

    ``network`` is locked by the caller. `Conflict` to take it back while it is the
    default, or shares of other projects are on it; their idle share servers go.
    """
    if network.is_public == public:
        return
    if not public:
        _refuse_while_needed(tx, network)
        for server in share_servers.of_network(tx, network.id):
            if server.project_id != network.project_id:
                remove_unused(tx, ctx, server)
    share_networks.change(tx, network.id, is_public=public)


def _refuse_while_needed(tx: Tx, network: ShareNetwork) -> None:
    if network.default_slot is not None:
        raise Conflict(
            f"Share network {network.id} is the default: "
            "designate another one, or none, before it stops being public."
        )
    others = db.use_by_others(tx, network)
    if others.shares:
        raise Conflict(
            f"Share network {network.id} has {others} on it: it has to stay public until they go."
        )


def designate(tx: Tx, ctx: Context, network_id: str) -> ShareNetwork:
    """Make a public share network the default instead of any other; again is the same."""
    scope = None if ctx.is_admin else ctx.project_id
    network = share_networks.visible(tx, network_id, scope, lock=True)
    if network is None:
        raise NotFound(f"Share network {network_id} could not be found.")
    if not network.is_public:
        raise Conflict(f"Share network {network_id} is not public: publish it first.")
    if network.status is not NetworkStatus.ACTIVE:
        raise Conflict(f"Share network {network_id} is {network.status}; it has to be active.")
    if network.default_slot is None:
        db.designate(tx, network_id)
    return network


def undesignate(tx: Tx) -> None:
    """No share network is designated as the default; again is the same."""
    db.undesignate(tx)
