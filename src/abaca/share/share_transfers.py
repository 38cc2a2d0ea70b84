"""Transfers: a share is offered to whoever has the key, and taken up in another project."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta

from abaca.context import Context
from abaca.db import access_rules, pools, quotas, share_transfers, shares, snapshots
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, NotFound
from abaca.model.quota import DEFAULT_LIMITS, Resource
from abaca.model.share import Share
from abaca.model.share_transfer import ShareTransfer
from abaca.share import quota
from abaca.share.lookup import own_share
from abaca.share.share_types import resolve
from abaca.share.tasks import enqueue_share
from abaca.states import AccessRulesStatus, AccessState, ShareStatus, SnapshotStatus

SUPPORT = "share_transfer_support"
"""Capability of backends that can hand a share's data to another project."""
_KEY_BYTES = 16


def create(
    tx: Tx, ctx: Context, share_id: str, name: str | None, *, seconds: int
) -> tuple[ShareTransfer, str]:
    """Offer an available share for so long; the transfer, and its key, which nobody keeps."""
    share = own_share(tx, ctx, share_id, lock=True)
    _check_offerable(tx, share)
    key = secrets.token_hex(_KEY_BYTES)
    stamp = now()
    transfer = ShareTransfer(
        id=new_id(),
        project_id=share.project_id,
        user_id=ctx.user_id,
        name=name,
        share_id=share_id,
        key_hash=_hash(key),
        expires_at=stamp + timedelta(seconds=seconds),
        created_at=stamp,
        updated_at=None,
    )
    share_transfers.add(tx, transfer)
    return transfer, key


def own(tx: Tx, ctx: Context, transfer_id: str, *, lock: bool = False) -> ShareTransfer:
    """A transfer that the caller's project offers (an administrator: any); else `NotFound`."""
    found = share_transfers.get(tx, transfer_id, lock=lock)
    if found is None or not (ctx.is_admin or found.project_id == ctx.project_id):
        raise NotFound(f"Share transfer {transfer_id} could not be found.")
    return found


def delete(tx: Tx, ctx: Context, transfer_id: str) -> None:
    """Take the offer back."""
    share_transfers.end(tx, own(tx, ctx, transfer_id, lock=True))


def accept(
    tx: Tx,
    ctx: Context,
    transfer_id: str,
    key: str,
    *,
    clear_rules: bool,
    limits: Mapping[Resource, int] = DEFAULT_LIMITS,
) -> None:
    """The share is the caller's project's; what it needs of that project's quota is there."""
    # First of all reads: what is counted below must be what others committed before.
    quotas.lock_project(tx, ctx.project_id)
    transfer = share_transfers.get(tx, transfer_id, lock=True)
    if transfer is None:
        raise NotFound(f"Share transfer {transfer_id} could not be found.")
    if not hmac.compare_digest(transfer.key_hash, _hash(key)):
        raise BadRequest(f"auth_key is not the one of share transfer {transfer_id}.")
    share = shares.get(tx, transfer.share_id, lock=True)
    if share is None or share.instance.status is not ShareStatus.AWAITING_TRANSFER:
        raise BadRequest(f"The share of transfer {transfer_id} no longer waits for it.")
    # A type that this project may not use is not found here either.
    resolve(tx, ctx, share.share_type_id, None)
    if share.project_id != ctx.project_id:
        _reserve(tx, ctx, share, limits)
    share_transfers.end(tx, transfer)
    share_transfers.hand_over(tx, share.id, ctx.project_id, ctx.user_id)
    if clear_rules:
        _clear(tx, share)
    moved = shares.get(tx, share.id)
    assert moved is not None  # noqa: S101 - locked above
    enqueue_share(tx, ctx, moved)


def _check_offerable(tx: Tx, share: Share) -> None:
    if share.instance.status is not ShareStatus.AVAILABLE:
        raise BadRequest(
            f"Share {share.id} is {share.instance.status}; it must be available to be transferred."
        )
    if share.effective_share_network_id or share.share_network_id:
        raise BadRequest(
            f"Share {share.id} is on a share network, whose servers are its project's own: "
            "it can't be transferred."
        )
    for item in snapshots.of_share(tx, share.id):
        if item.instance.status is not SnapshotStatus.AVAILABLE:
            raise BadRequest(
                f"Snapshot {item.id} of share {share.id} is {item.instance.status}; "
                "it must be available."
            )
    host = share.instance.host
    can = [pool.capabilities.get(SUPPORT) for pool in pools.every(tx) if pool.host == host]
    if not any(can):
        raise BadRequest(
            f"Share {share.id} can't be transferred: its storage backend keeps each project's "
            f"data apart (it has not {SUPPORT})."
        )


def _reserve(tx: Tx, ctx: Context, share: Share, limits: Mapping[Resource, int]) -> None:
    taken = snapshots.of_share(tx, share.id)
    quota.reserve(
        tx,
        ctx,
        {
            Resource.SHARES: 1,
            Resource.GIGABYTES: share.size,
            Resource.PER_SHARE_GIGABYTES: share.size,
            Resource.SNAPSHOTS: len(taken),
            Resource.SNAPSHOT_GIGABYTES: sum(item.size for item in taken),
        },
        share_type_id=share.share_type_id,
        defaults=limits,
    )


def _clear(tx: Tx, share: Share) -> None:
    rules = [rule.id for rule in access_rules.of_share(tx, share.id)]
    access_rules.set_state(tx, rules, AccessState.QUEUED_TO_DENY)
    status = AccessRulesStatus.SYNCING if rules else share.instance.access_rules_status
    shares.change_instance(tx, share.instance.id, access_rules_status=status)


def _hash(key: str) -> str:
    """The key is random and long: a plain digest can't be guessed back."""
    return hashlib.sha256(key.encode()).hexdigest()
