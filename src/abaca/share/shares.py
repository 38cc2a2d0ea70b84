"""Shares as the API shows and changes them: list, show, update, delete, reset, metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abaca.context import Context
from abaca.db import export_locations, share_metadata, share_networks, share_types, shares
from abaca.db.database import Tx
from abaca.errors import BadRequest, Forbidden
from abaca.model.page import Page, Slice
from abaca.model.share import ExportLocation, Share
from abaca.model.share_type import ShareType
from abaca.share.lookup import own_share, visible_share
from abaca.share.metadata import OPEN, Guard, merged, without
from abaca.share.tasks import enqueue_share
from abaca.states import ShareStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownShare:
    """A share with what its answer needs besides."""

    share: Share
    share_type: ShareType
    export_locations: tuple[ExportLocation, ...]


def describe(tx: Tx, found: Sequence[Share]) -> tuple[ShownShare, ...]:
    """The shares as they are shown; as many statements for many as for one."""
    if not found:
        return ()
    types = {item.id: item for item in share_types.list_all(tx, is_public=None, project_id=None)}
    locations = export_locations.of_instances(tx, [share.instance.id for share in found])
    return tuple(
        ShownShare(
            share=share,
            share_type=types[share.share_type_id],
            export_locations=tuple(locations.get(share.instance.id, ())),
        )
        for share in found
    )


def show(tx: Tx, ctx: Context, share_id: str) -> ShownShare:
    """One share that the caller may see."""
    return describe(tx, [visible_share(tx, ctx, share_id)])[0]


def find(tx: Tx, query: shares.ShareQuery, page: Page) -> Slice[ShownShare]:
    """A page of shares."""
    found = shares.find(tx, query, page)
    return Slice(items=describe(tx, found.items), more=found.more, count=found.count)


def update(tx: Tx, ctx: Context, share_id: str, values: Mapping[str, object]) -> ShownShare:
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
