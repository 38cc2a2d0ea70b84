"""What a request for a share leaves open: its type, and the share network it is put on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abaca.context import Context
from abaca.db import share_networks, share_types
from abaca.db.database import Tx
from abaca.errors import BadRequest, NotFound
from abaca.model.quota import DEFAULT_LIMITS, Resource
from abaca.model.share import Share
from abaca.model.share_network import ShareNetwork
from abaca.model.share_type import ShareType
from abaca.scheduler.driver_mode import needs_network
from abaca.share.default_network import default_network
from abaca.share.share_types import resolve
from abaca.states import NetworkStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the configuration says for requests that do not."""

    share_type: str | None = None
    """Name or ID."""
    share_network: str | None = None
    """Name or ID of a public share network."""
    limits: Mapping[Resource, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    """Quotas of a project for which no others were set."""


def choose_type(
    tx: Tx, ctx: Context, asked: str | None, defaults: Defaults, *, parent: Share | None
) -> ShareType:
    """The type asked for, else that of the snapshot's share, else the default."""
    if parent is None:
        return resolve(tx, ctx, asked, defaults.share_type)
    if asked is not None and resolve(tx, ctx, asked, None).id != parent.share_type_id:
        raise BadRequest(
            f"share_type={asked!r}: a share made from a snapshot has the type of the "
            "snapshot's share; leave share_type out."
        )
    found = share_types.get(tx, parent.share_type_id)
    if found is None:
        raise NotFound(f"Share type {parent.share_type_id} could not be found.")
    return found


def choose_network(
    tx: Tx, ctx: Context, asked: str | None, share_type: ShareType, defaults: Defaults
) -> ShareNetwork | None:
    """The effective share network: the one asked for; else, where the type needs one, the default.

    None where there is neither: whether that will do is the scheduler's to say.
    """
    if asked is not None:
        return usable_network(tx, ctx, asked)
    if not needs_network(share_type.extra_specs):
        return None
    found = default_network(tx, share_type, defaults.share_network, lock=True)
    return None if found is None else found.usable()


def usable_network(tx: Tx, ctx: Context, network_id: str) -> ShareNetwork:
    """A share network of the caller's project, or a public one; else `NotFound`.

    For administrators too: a share on somebody else's network would put a share
    server of their project there. It can't be removed until the transaction ends.
    """
    found = share_networks.visible(tx, network_id, ctx.project_id, lock=True)
    if found is None:
        raise NotFound(f"Share network {network_id} could not be found.")
    check_active(found)
    return found


def check_active(network: ShareNetwork) -> None:
    """`BadRequest` for a share network that nothing is put on now."""
    if network.status is not NetworkStatus.ACTIVE:
        raise BadRequest(
            f"share_network_id={network.id!r}: its status is {network.status}; "
            "give a share network that is active."
        )


def network_of(tx: Tx, share: Share) -> ShareNetwork | None:
    """The share network that a share is on, whoever's it is."""
    network_id = share.effective_share_network_id
    return None if network_id is None else share_networks.visible(tx, network_id, None, lock=True)
