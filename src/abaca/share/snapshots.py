"""Snapshots: taken, shown, changed, removed, and a share reverted to its latest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from abaca.context import Context
from abaca.db import share_types, shares, snapshot_metadata, snapshots
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, Conflict, Unprocessable
from abaca.model.quota import DEFAULT_LIMITS, Resource
from abaca.model.share import Share
from abaca.model.snapshot import Snapshot, SnapshotInstance
from abaca.share import quota
from abaca.share.extra_specs import REVERT, SNAPSHOT
from abaca.share.features import offers
from abaca.share.lookup import own_share, own_share_counted, own_snapshot
from abaca.share.metadata import merged, without
from abaca.share.tasks import enqueue_share, enqueue_snapshot
from abaca.states import ShareStatus, SnapshotStatus

_TAKEABLE = frozenset({ShareStatus.AVAILABLE, ShareStatus.EXTENDING, ShareStatus.SHRINKING})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSnapshot:
    """What a request for a snapshot says."""

    share_id: str
    name: str | None = None
    description: str | None = None
    force: bool = False
    """Whatever the share's status, if it exists at all."""
    metadata: Mapping[str, str] = field(default_factory=dict)


def create(
    tx: Tx, ctx: Context, wanted: NewSnapshot, *, limits: Mapping[Resource, int] = DEFAULT_LIMITS
) -> Snapshot:
    """A snapshot of the share that the manager will take; it belongs to the share's project."""
    share_id = wanted.share_id
    share = own_share_counted(tx, ctx, share_id)
    if not _offers(tx, share, SNAPSHOT):
        raise Unprocessable(f"Share {share_id} can't be snapshotted: its type has not {SNAPSHOT}.")
    forced = wanted.force and share.instance.made
    if share.instance.status not in _TAKEABLE and not forced:
        raise BadRequest(
            f"Share {share_id} is {share.instance.status}; it must be available to be snapshotted."
        )
    quota.reserve(
        tx,
        ctx,
        {Resource.SNAPSHOTS: 1, Resource.SNAPSHOT_GIGABYTES: share.size},
        share_type_id=share.share_type_id,
        project_id=share.project_id,
        defaults=limits,
    )
    snapshot = _new(ctx, share, wanted)
    snapshots.add(tx, snapshot)
    enqueue_snapshot(tx, ctx, share, snapshot)
    return snapshot


def update(tx: Tx, ctx: Context, snapshot_id: str, values: Mapping[str, object]) -> Snapshot:
    """Set name or description."""
    snapshot = own_snapshot(tx, ctx, snapshot_id, lock=True)
    if values:
        snapshots.change(tx, snapshot.id, **values)
    return own_snapshot(tx, ctx, snapshot_id)


def delete(tx: Tx, ctx: Context, snapshot_id: str) -> None:
    """Have the snapshot go, in whatever state it is.

    `Conflict` while a share is being made from it or reverted to it: that share
    would be lost.
    """
    snapshot = own_snapshot(tx, ctx, snapshot_id, lock=True)
    share = shares.get(tx, snapshot.share_id, lock=True)
    if shares.clones_under_way(tx, snapshot_id, {ShareStatus.CREATING_FROM_SNAPSHOT}):
        raise Conflict(f"Snapshot {snapshot_id}: a share is being created from it; wait for that.")
    if share is not None and share.instance.revert_to == snapshot_id:
        raise Conflict(f"Snapshot {snapshot_id}: its share is being reverted to it; wait for that.")
    if share is None or share.instance.host is None:
        snapshots.remove(tx, snapshot_id)
        return
    snapshots.change_instance(tx, snapshot.instance.id, status=SnapshotStatus.DELETING)
    enqueue_snapshot(tx, ctx, share, snapshot)


def set_metadata(
    tx: Tx, ctx: Context, snapshot_id: str, metadata: Mapping[str, str], *, replaced: bool
) -> Mapping[str, str]:
    """Set these keys, others stay (``replaced``: go); all that the snapshot then has."""
    snapshot = own_snapshot(tx, ctx, snapshot_id, lock=True)
    wanted = merged(snapshot.metadata, metadata, replaced=replaced)
    snapshot_metadata.replace(tx, snapshot_id, wanted)
    return wanted


def unset_metadata(tx: Tx, ctx: Context, snapshot_id: str, key: str) -> None:
    """Unset one key; `NotFound` if the snapshot has none of that name."""
    snapshot = own_snapshot(tx, ctx, snapshot_id, lock=True)
    without(snapshot.metadata, key, f"Snapshot {snapshot_id}")
    snapshot_metadata.remove(tx, snapshot_id, key)


def reset_status(tx: Tx, ctx: Context, snapshot_id: str, status: str) -> None:
    """Set the status by hand, and nothing else: no work is started by it."""
    if status not in set(SnapshotStatus):
        raise BadRequest(f"status={status!r}: give one of {', '.join(SnapshotStatus)}.")
    snapshot = own_snapshot(tx, ctx, snapshot_id, lock=True)
    snapshots.change_instance(tx, snapshot.instance.id, status=SnapshotStatus(status))


def revert(tx: Tx, ctx: Context, share_id: str, snapshot_id: str) -> None:
    """Have the share go back to its latest snapshot, in place."""
    share = own_share(tx, ctx, share_id, lock=True)
    if not _offers(tx, share, REVERT):
        raise BadRequest(f"Share {share_id} can't be reverted: its type has not {REVERT}.")
    latest = next(iter(snapshots.of_share(tx, share_id)), None)
    snapshot = snapshots.get(tx, snapshot_id, lock=True)
    if snapshot is None or latest is None or snapshot.share_id != share_id:
        raise BadRequest(f"Snapshot {snapshot_id} is no snapshot of share {share_id}.")
    for what, status, good in (
        (f"Share {share_id}", share.instance.status, ShareStatus.AVAILABLE),
        (f"Snapshot {snapshot_id}", snapshot.instance.status, SnapshotStatus.AVAILABLE),
    ):
        if status != good:
            raise Conflict(f"{what} is {status}; it must be {good} to revert.")
    if latest.id != snapshot_id:
        raise Conflict(
            f"Snapshot {snapshot_id} is not the latest of share {share_id}; "
            f"only that one can be reverted to: {latest.id}."
        )
    shares.change_instance(
        tx, share.instance.id, status=ShareStatus.REVERTING, revert_to=snapshot_id
    )
    snapshots.change_instance(tx, snapshot.instance.id, status=SnapshotStatus.RESTORING)
    enqueue_share(tx, ctx, share)


def _offers(tx: Tx, share: Share, feature: str) -> bool:
    share_type = share_types.get(tx, share.share_type_id)
    return share_type is not None and offers(share_type, feature)


def _new(ctx: Context, share: Share, wanted: NewSnapshot) -> Snapshot:
    stamp = now()
    snapshot_id = new_id()
    return Snapshot(
        id=snapshot_id,
        project_id=share.project_id,
        user_id=ctx.user_id,
        share_id=share.id,
        name=wanted.name,
        description=wanted.description,
        size=share.size,
        share_size=share.size,
        share_proto=share.share_proto,
        created_at=stamp,
        updated_at=None,
        metadata=merged({}, wanted.metadata, replaced=True),
        instance=SnapshotInstance(
            id=new_id(),
            snapshot_id=snapshot_id,
            share_instance_id=share.instance.id,
            status=SnapshotStatus.CREATING,
            progress="0%",
            created_at=stamp,
            updated_at=None,
        ),
    )
