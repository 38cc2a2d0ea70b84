"""Shares as the API shows and changes them: list, show, update, delete, reset, metadata."""

from __future__ import annotations

from collections.abc import Mapping

from abaca.context import Context
from abaca.db import export_locations, share_metadata, share_networks, shares, shown_shares
from abaca.db.database import Tx
from abaca.errors import BadRequest, Forbidden, NotFound
from abaca.model.share import ExportLocation, Share
from abaca.model.shown_share import ToldShare, read_share
from abaca.share.lookup import own_share, visible_share
from abaca.share.metadata import OPEN, Guard, merged, without
from abaca.share.tasks import enqueue_share
from abaca.states import ShareStatus


def show(tx: Tx, ctx: Context, share_id: str, *, with_locations: bool = True) -> ToldShare:
    """One share that the caller may see; ``with_locations``: and where it is mounted from."""
    found = shown_shares.get(tx, share_id, with_locations=with_locations)
    own = found is not None and (ctx.is_admin or found.project_id == ctx.project_id)
    if found is None or not (own or read_share(found.text).is_public):
        raise NotFound(f"Share {share_id} could not be found.")
    return found


def update(tx: Tx, ctx: Context, share_id: str, values: Mapping[str, object]) -> ToldShare:
    """Set name, description or is_public."""
    share = own_share(tx, ctx, share_id, lock=True)
    if values:
        shares.change(tx, share.id, **values)
    return show(tx, ctx, share_id)


def delete(tx: Tx, ctx: Context, share_id: str) -> None:
    """Have the share go, in whatever state it is; it supersedes what is under way.

    Refused only while it has snapshots (`Forbidden`, as clients of this API expect).
    """
    share = own_share(tx, ctx, share_id, lock=True, binned=True)
    count = shares.snapshot_count(tx, share_id)
    if count:
        raise Forbidden(f"Share {share_id} still has {count} snapshot(s); delete them first.")
    if share.instance.host is None:
        shares.remove(tx, share_id)
        if share.share_network_id is not None:
            share_networks.finish_removal(tx, share.share_network_id)
        return
    shares.change_instance(tx, share.instance.id, status=ShareStatus.DELETING)
    enqueue_share(tx, ctx, share)


def reset_status(tx: Tx, ctx: Context, share_id: str, status: str) -> None:
    """Set the status by hand, and nothing else: no work is started by it."""
    if status not in set(ShareStatus):
        raise BadRequest(f"status={status!r}: give one of {', '.join(ShareStatus)}.")
    share = own_share(tx, ctx, share_id, lock=True, binned=True)
    shares.change_instance(tx, share.instance.id, status=ShareStatus(status))


def locations(
    tx: Tx, ctx: Context, share_id: str, *, hidden: bool
) -> tuple[Share, tuple[ExportLocation, ...]]:
    """Where a share is mounted from; ``hidden``: also what only administrators see."""
    share = visible_share(tx, ctx, share_id)
    found = export_locations.of_instance(tx, share.instance.id)
    return share, tuple(item for item in found if hidden or not item.is_admin_only)


def set_metadata(
    tx: Tx,
    ctx: Context,
    share_id: str,
    metadata: Mapping[str, str],
    *,
    replaced: bool = False,
    guard: Guard = OPEN,
) -> Mapping[str, str]:
    """Set these keys, others stay (``replaced``: go); all that the share then has."""
    share = own_share(tx, ctx, share_id, lock=True)
    wanted = merged(share.metadata, metadata, replaced=replaced, guard=guard)
    share_metadata.replace(tx, share_id, wanted)
    return wanted


def unset_metadata(tx: Tx, ctx: Context, share_id: str, key: str, *, guard: Guard = OPEN) -> None:
    """Unset one key; `NotFound` if the share has none of that name."""
    share = own_share(tx, ctx, share_id, lock=True)
    without(share.metadata, key, f"Share {share_id}", guard=guard)
    share_metadata.remove(tx, share.id, key)
