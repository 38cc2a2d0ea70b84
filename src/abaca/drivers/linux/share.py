"""Shares and snapshots on a server: each verb as idempotent steps.

The lock of the server is held by the caller.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from abaca.drivers.driver import Share, Snapshot
from abaca.drivers.linux import nfs, storage
from abaca.drivers.linux.layout import (
    Layout,
    Place,
    Rule,
    ShareRecord,
    SnapshotRecord,
    load,
    save,
)
from abaca.drivers.linux.options import LinuxOptions
from abaca.drivers.linux.storage import GIB
from abaca.drivers.linux.transfer import Transfer
from abaca.errors import DriverError, ShrinkRefused, StorageFull
from abaca.linux import btrfs, mounts
from abaca.linux.ganesha import MOST_EXPORTS
from abaca.steps import step

_MODE = 0o777
"""Any user of a client that was let in may write at the top, as tenants of such services expect."""


class Shares:
    """The shares of one server."""

    def __init__(self, place: Place, layout: Layout, options: LinuxOptions) -> None:
        self.place = place
        self.layout = layout
        self.options = options

    def ensure(self, share: Share, source: Snapshot | None) -> ShareRecord:
        """The share exists and is exported with the rules that it had; none at first."""
        if share.made:
            self._data_is_here(share)
        record = self._record(share)
        self._image(record)
        self._subvolume(record, source)
        self._mount(record)
        self._export(record)
        return record

    def remove(self, share: Share) -> None:
        """The share is gone with its data."""
        record = self._leave(share)
        projects = {share.project_id}
        if record is not None:
            record = self._settled(record)
            projects.add(record.project_id)
            self._unexport(record)
            self._unmount(record)
            self._delete_subvolume(record)
        self._forget(share)
        for project_id in sorted(projects):
            storage.reclaim(self.place, project_id)

    def transfer(self, share: Share) -> None:
        """The share is ``share.project_id``'s, in that project's image; its snapshots too."""
        record = self._known(share)
        if share.project_id == record.project_id and self._settled(record) is record:
            return
        moved = self._transfer.run(record, share.project_id)
        self._mount(moved)
        self._export(moved)

    @property
    def _transfer(self) -> Transfer:
        return Transfer(self.place, self.layout, self.options)

    def _settled(self, record: ShareRecord) -> ShareRecord:
        """The record once nothing is left of a move that is over, or is not wanted any more."""
        if record.moving_to is None and record.moved_from is None:
            return record
        return self._transfer.clean(record)

    def resize(self, share: Share) -> None:
        """The quota is the share's size; ShrinkRefused if more is used."""
        record = self._known(share)
        storage.open_image(self.place, record.project_id)
        if share.size_gib < record.size_gib:
            self._shrink(record, share.size_gib)
        else:
            self._extend(record, share.size_gib)

    @step("share.access.apply")
    def apply(self, share: Share, rules: tuple[Rule, ...]) -> None:
        """Exactly these rules are in force."""
        record = msgspec.structs.replace(self._known(share), rules=rules)
        nfs.check_rules(rules)
        save(self.place.share_path(record.id), record)
        nfs.publish(self.place, self.options, record)

    def snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot exists."""
        record = self._known(snapshot.share)
        storage.open_image(self.place, record.project_id)
        self._snapshot_record(snapshot, record)
        self._snapshot_subvolume(snapshot, record)

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot is gone."""
        known = load(self.place.snapshot_path(snapshot.id), SnapshotRecord)
        project_id = known.project_id if known is not None else snapshot.share.project_id
        if self.place.image(project_id).exists:
            storage.open_image(self.place, project_id)
            self._delete_snapshot(snapshot, project_id)
        self.place.snapshot_path(snapshot.id).unlink(missing_ok=True)
        storage.reclaim(self.place, project_id)

    def revert(self, snapshot: Snapshot) -> None:
        """The share has the snapshot's content; clients that had it mounted must mount it anew."""
        record = self._known(snapshot.share)
        storage.open_image(self.place, record.project_id)
        self._exchange(record, snapshot)
        self._mount(record)
        self._export(record)

    def _data_is_here(self, share: Share) -> None:
        """DriverError if it is not: an empty share in its place would hide the loss."""
        record = self.place.share(share.id)
        if record is not None and self.place.image(record.project_id).exists:
            storage.open_image(self.place, record.project_id)
            if btrfs.is_subvolume(self.place.subvolume(record.project_id, record.id)):
                return
        raise DriverError(
            f"the data of share {share.id} is not in {self.place.home}: bring back its image and "
            "record, or delete the share",
            told="The data of the share can't be found on its storage.",
        )

    # Creation

    @step("share.create.record")
    def _record(self, share: Share) -> ShareRecord:
        known = self.place.share(share.id)
        if known is not None and not known.leaving:
            return known
        if share.export_id > MOST_EXPORTS:
            raise StorageFull(f"{self.place.key} has given out all {MOST_EXPORTS} export numbers")
        with storage.pool_locked(self.layout, self.options):
            storage.take_room(self.layout, self.options, share.size_gib)
            record = ShareRecord(
                id=share.id,
                project_id=share.project_id,
                size_gib=share.size_gib,
                export_id=share.export_id,
            )
            save(self.place.share_path(share.id), record)
        return record

    @step("share.create.image")
    def _image(self, record: ShareRecord) -> None:
        storage.open_image(self.place, record.project_id)

    @step("share.create.subvolume")
    def _subvolume(self, record: ShareRecord, source: Snapshot | None) -> None:
        path = self.place.subvolume(record.project_id, record.id)
        limit = record.size_gib * GIB
        if source is None:
            btrfs.create(path, mode=_MODE, limit=limit)
        elif not btrfs.is_subvolume(path):
            btrfs.copy(self._source(record, source), path, limit=limit)

    def _source(self, record: ShareRecord, source: Snapshot) -> Path:
        path = self.place.snapshot(record.project_id, source.id)
        if not btrfs.is_subvolume(path):
            raise DriverError(
                f"snapshot {source.id} is not in the image of project {record.project_id} on "
                f"{self.place.key}: a share is made from a snapshot of its own share server only",
                told="The snapshot is on another share server; create the share on the same "
                "share network as the snapshot's share.",
            )
        return path

    @step("share.create.mount")
    def _mount(self, record: ShareRecord) -> None:
        storage.mount_share(self.place, record)

    @step("share.create.export")
    def _export(self, record: ShareRecord) -> None:
        nfs.publish(self.place, self.options, record)

    # Removal

    @step("share.delete.mark")
    def _leave(self, share: Share) -> ShareRecord | None:
        record = self.place.share(share.id)
        if record is not None and not record.leaving:
            record = msgspec.structs.replace(record, leaving=True, rules=())
            save(self.place.share_path(share.id), record)
        return record

    @step("share.delete.export")
    def _unexport(self, record: ShareRecord) -> None:
        nfs.withdraw(self.place, self.options, record)

    @step("share.delete.mount")
    def _unmount(self, record: ShareRecord) -> None:
        mounts.unmount(self.place.mount(record.id))

    @step("share.delete.subvolume")
    def _delete_subvolume(self, record: ShareRecord) -> None:
        if storage.is_alone(self.place, record):
            storage.remove_image(self.place, record.project_id)
        elif self.place.image(record.project_id).exists:
            storage.open_image(self.place, record.project_id)
            btrfs.delete(self.place.subvolume(record.project_id, record.id))

    @step("share.delete.record")
    def _forget(self, share: Share) -> None:
        self.place.share_path(share.id).unlink(missing_ok=True)

    # Size

    @step("share.resize.extend")
    def _extend(self, record: ShareRecord, size_gib: int) -> None:
        if size_gib > record.size_gib:
            with storage.pool_locked(self.layout, self.options):
                storage.take_room(self.layout, self.options, size_gib - record.size_gib)
                self._save_size(record, size_gib)
            storage.open_image(self.place, record.project_id)
        btrfs.set_limit(self.place.subvolume(record.project_id, record.id), size_gib * GIB)

    @step("share.resize.shrink")
    def _shrink(self, record: ShareRecord, size_gib: int) -> None:
        path = self.place.subvolume(record.project_id, record.id)
        # Limit first, then look: what is written in between counts.
        btrfs.set_limit(path, size_gib * GIB)
        used = btrfs.referenced(path)
        if used > size_gib * GIB:
            btrfs.set_limit(path, record.size_gib * GIB)
            raise ShrinkRefused(f"share {record.id} holds {used} bytes, more than {size_gib} GiB")
        self._save_size(record, size_gib)

    def _save_size(self, record: ShareRecord, size_gib: int) -> None:
        changed = msgspec.structs.replace(record, size_gib=size_gib)
        save(self.place.share_path(record.id), changed)

    # Snapshots

    @step("snapshot.create.record")
    def _snapshot_record(self, snapshot: Snapshot, share: ShareRecord) -> None:
        path = self.place.snapshot_path(snapshot.id)
        if load(path, SnapshotRecord) is not None:
            return
        size = btrfs.referenced(self.place.subvolume(share.project_id, share.id))
        with storage.pool_locked(self.layout, self.options):
            storage.take_room(self.layout, self.options, -(-size // GIB))
            record = SnapshotRecord(
                id=snapshot.id, share_id=share.id, project_id=share.project_id, size=size
            )
            save(path, record)

    @step("snapshot.create.subvolume")
    def _snapshot_subvolume(self, snapshot: Snapshot, share: ShareRecord) -> None:
        source = self.place.subvolume(share.project_id, share.id)
        target = self.place.snapshot(share.project_id, snapshot.id)
        btrfs.copy(source, target, limit=None, read_only=True)
        # Counted again, exactly: the share was in use between the count and the snapshot.
        record = SnapshotRecord(
            id=snapshot.id,
            share_id=share.id,
            project_id=share.project_id,
            size=btrfs.referenced(target),
        )
        save(self.place.snapshot_path(snapshot.id), record)
        storage.open_image(self.place, share.project_id)

    @step("snapshot.delete.subvolume")
    def _delete_snapshot(self, snapshot: Snapshot, project_id: str) -> None:
        btrfs.delete(self.place.snapshot(project_id, snapshot.id))

    @step("share.revert.exchange")
    def _exchange(self, record: ShareRecord, snapshot: Snapshot) -> None:
        path = self.place.subvolume(record.project_id, record.id)
        spare = path.with_name(f"revert-{path.name}")
        btrfs.delete(spare)
        btrfs.copy(self._source(record, snapshot), spare, limit=record.size_gib * GIB)
        nfs.withdraw(self.place, self.options, record)
        mounts.unmount(self.place.mount(record.id))
        btrfs.exchange(path, spare)
        btrfs.delete(spare)

    def _known(self, share: Share) -> ShareRecord:
        record = self.place.share(share.id)
        if record is None or record.leaving:
            raise DriverError(f"share {share.id} does not exist on server {self.place.key}")
        return record
