"""Growing and shrinking a share: the size wanted is recorded, the manager makes it so."""

from __future__ import annotations

from collections.abc import Mapping

from abaca.context import Context
from abaca.db import share_types, shares
from abaca.db.database import Tx
from abaca.errors import BadRequest, Forbidden, NotFound, OverLimit
from abaca.model.quota import DEFAULT_LIMITS, Resource
from abaca.model.share import Share
from abaca.model.share_type import ShareType
from abaca.share import quota
from abaca.share.features import check_size
from abaca.share.lookup import own_share_counted
from abaca.share.tasks import enqueue_share
from abaca.states import ShareStatus

# Live work does not stand in the way of another size, since the manager goes for the last one;
# nor does a size that could not be had.
RESIZABLE = frozenset(
    {
        ShareStatus.AVAILABLE,
        ShareStatus.EXTENDING,
        ShareStatus.EXTENDING_ERROR,
        ShareStatus.SHRINKING,
        ShareStatus.SHRINKING_ERROR,
        ShareStatus.SHRINKING_POSSIBLE_DATA_LOSS,
    }
)


def extend(
    tx: Tx,
    ctx: Context,
    share_id: str,
    size: int,
    *,
    limits: Mapping[Resource, int] = DEFAULT_LIMITS,
) -> None:
    """Have the share grow to this many GiB.

    `BadRequest` unless that is more than it has, and for a share that is not in
    use; `Forbidden` over quota (as clients of this API expect of this action).
    """
    share = _resizable(tx, ctx, share_id)
    now = share.instance.wanted_size
    if size <= now:
        raise BadRequest(f"new_size={size}: the share has {now} GiB; give more to extend it.")
    check_size(_type(tx, share), size)
    granted = max(share.size, now)
    wanted = {Resource.GIGABYTES: max(size - granted, 0), Resource.PER_SHARE_GIGABYTES: size}
    try:
        quota.reserve(
            tx,
            ctx,
            wanted,
            share_type_id=share.share_type_id,
            project_id=share.project_id,
            user_id=share.user_id,
            defaults=limits,
        )
    except OverLimit as error:
        raise Forbidden(error.message) from error
    _want(tx, ctx, share, size, ShareStatus.EXTENDING)


def shrink(tx: Tx, ctx: Context, share_id: str, size: int) -> None:
    """Have the share shrink to this many GiB; the manager refuses below what is used."""
    share = _resizable(tx, ctx, share_id)
    now = share.instance.wanted_size
    if size >= now:
        raise BadRequest(f"new_size={size}: the share has {now} GiB; give less to shrink it.")
    check_size(_type(tx, share), size)
    _want(tx, ctx, share, size, ShareStatus.SHRINKING)


def _resizable(tx: Tx, ctx: Context, share_id: str) -> Share:
    """The share, its project's quota locked before it: always in this order."""
    share = own_share_counted(tx, ctx, share_id)
    if share.instance.status not in RESIZABLE:
        raise BadRequest(
            f"Share {share_id} is {share.instance.status}; it must be available to change its size."
        )
    return share


def _type(tx: Tx, share: Share) -> ShareType:
    found = share_types.get(tx, share.share_type_id)
    if found is None:
        raise NotFound(f"Share type {share.share_type_id} could not be found.")
    return found


def _want(tx: Tx, ctx: Context, share: Share, size: int, status: ShareStatus) -> None:
    shares.change_instance(tx, share.instance.id, wanted_size=size, status=status)
    enqueue_share(tx, ctx, share)
