"""Shares and snapshots by ID, as far as the caller may see or change them.

Something of another project's is not found, unless it is a public share: that
is found by everybody, and refused to all but its project when it is to change.
"""

from __future__ import annotations

from abaca.context import Context
from abaca.db import quotas, shares, snapshots
from abaca.db.database import Tx
from abaca.errors import Forbidden, NotFound
from abaca.model.share import Share
from abaca.model.snapshot import Snapshot


def visible_share(tx: Tx, ctx: Context, share_id: str) -> Share:
    """The share, if the caller may see it; else `NotFound`."""
    share = shares.get(tx, share_id)
    if share is None or not (share.is_public or _own(ctx, share)):
        raise NotFound(f"Share {share_id} could not be found.")
    return share


def own_share(
    tx: Tx, ctx: Context, share_id: str, *, lock: bool = False, binned: bool = False
) -> Share:
    """The share, if it is the caller's project's (an administrator: any).

    `NotFound` else, `Forbidden` for a public share of another project, and unless
    ``binned`` for one in the recycle bin. ``lock`` in a transaction that goes on to
    change it.
    """
    share = shares.get(tx, share_id, lock=lock)
    if share is None or not (share.is_public or _own(ctx, share)):
        raise NotFound(f"Share {share_id} could not be found.")
    if not _own(ctx, share):
        raise Forbidden(f"Share {share_id} belongs to another project, which made it public.")
    if share.is_soft_deleted and not binned:
        raise Forbidden(f"Share {share_id} is in the recycle bin: restore it first.")
    return share


def own_share_counted(tx: Tx, ctx: Context, share_id: str) -> Share:
    """As `own_share` with ``lock``, for a request that counts quota: the project first.

    Before anything is read: what is counted must be what others committed before.
    """
    quotas.lock_project(tx, ctx.project_id)
    share = own_share(tx, ctx, share_id)
    if share.project_id != ctx.project_id:
        quotas.lock_project(tx, share.project_id)
    return own_share(tx, ctx, share_id, lock=True)


def own_snapshot(tx: Tx, ctx: Context, snapshot_id: str, *, lock: bool = False) -> Snapshot:
    """The snapshot, if it is the caller's project's (an administrator: any); else `NotFound`."""
    snapshot = snapshots.get(tx, snapshot_id, lock=lock)
    if snapshot is None or not _own(ctx, snapshot):
        raise NotFound(f"Snapshot {snapshot_id} could not be found.")
    return snapshot


def project_snapshot(tx: Tx, ctx: Context, snapshot_id: str, *, lock: bool = False) -> Snapshot:
    """The snapshot, if it is the caller's project's, administrator or not; else `NotFound`.

    For what is made of it: that must be in the same project.
    """
    snapshot = snapshots.get(tx, snapshot_id, lock=lock)
    if snapshot is None or snapshot.project_id != ctx.project_id:
        raise NotFound(f"Snapshot {snapshot_id} could not be found.")
    return snapshot


def _own(ctx: Context, thing: Share | Snapshot) -> bool:
    return ctx.is_admin or thing.project_id == ctx.project_id
