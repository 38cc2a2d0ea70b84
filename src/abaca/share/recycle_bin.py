"""The recycle bin: shares that are deleted softly wait there, and can be brought back."""

from __future__ import annotations

from datetime import timedelta

from abaca.context import Context
from abaca.db import shares
from abaca.db.database import Tx
from abaca.db.tables import now
from abaca.errors import Forbidden
from abaca.share.lookup import own_share
from abaca.states import ShareStatus

_BINNABLE = frozenset({ShareStatus.AVAILABLE, ShareStatus.ERROR})


def soft_delete(tx: Tx, ctx: Context, share_id: str, *, retention_seconds: int) -> None:
    """Put the share into the recycle bin; again is the same, and does not prolong its time.

    Its data, its exports and its quota stay, nobody changes it; when its time is up
    the share manager removes it.
    """
    share = own_share(tx, ctx, share_id, lock=True, binned=True)
    if share.is_soft_deleted:
        return
    if share.instance.status not in _BINNABLE:
        raise Forbidden(
            f"Share {share_id} is {share.instance.status}; it must be available or error "
            "to be deleted softly."
        )
    count = shares.snapshot_count(tx, share_id)
    if count:
        raise Forbidden(f"Share {share_id} still has {count} snapshot(s); delete them first.")
    until = now() + timedelta(seconds=retention_seconds)
    shares.change(tx, share_id, is_soft_deleted=True, scheduled_to_be_deleted_at=until)


def restore(tx: Tx, ctx: Context, share_id: str) -> None:
    """Take the share out again; one that is not in it is left alone. `Forbidden` if too late."""
    share = own_share(tx, ctx, share_id, lock=True, binned=True)
    if not share.is_soft_deleted:
        return
    if share.instance.status in {ShareStatus.DELETING, ShareStatus.ERROR_DELETING}:
        raise Forbidden(f"Share {share_id} is being deleted; it is too late to restore it.")
    shares.change(tx, share_id, is_soft_deleted=False, scheduled_to_be_deleted_at=None)
