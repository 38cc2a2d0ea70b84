"""A share becomes another project's: its data move into that project's image, snapshots too.

Each project is a file system of its own, since handles of files don't cross
those. So everything is copied; clients are cut off first, and mount it anew.
Until the copy is whole the share's record names its old project, and the copy
is begun anew by whoever comes next. The lock of the server is held by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from abaca.drivers.linux import nfs, storage
from abaca.drivers.linux.layout import Layout, Place, ShareRecord, SnapshotRecord, save
from abaca.drivers.linux.options import LinuxOptions
from abaca.drivers.linux.storage import GIB
from abaca.linux import btrfs, mounts
from abaca.linux.lock import run_holding
from abaca.steps import step

_COPY_SECONDS = 24 * 3600.0
_MODE = 0o777
Record = TypeVar("Record", ShareRecord, SnapshotRecord)


class Transfer:
    """Moves shares of one server between its projects' images."""

    def __init__(self, place: Place, layout: Layout, options: LinuxOptions) -> None:
        self.place = place
        self.layout = layout
        self.options = options

    def run(self, record: ShareRecord, project_id: str) -> ShareRecord:
        """The share is that project's, not exported; the record that it has then."""
        if record.project_id != project_id:
            record = self._plan(record, project_id)
            self._stop(record)
            self._copy(record, project_id)
            record = self._hand_over(record, project_id)
        return record if record.moved_from is None else self.clean(record)

    @step("share.transfer.clean")
    def clean(self, record: ShareRecord) -> ShareRecord:
        """Nothing of the share is left in an image that it was on its way to, or came from."""
        snapshots = list(self._snapshots(record))
        for project_id in _strays(record):
            self._drop_from(record, snapshots, project_id)
        if record.moved_from is not None:
            storage.reclaim(self.place, record.moved_from)
        for item in snapshots:
            save(self.place.snapshot_path(item.id), _changed(item, moving_to=None))
        cleaned = _changed(record, moving_to=None, moved_from=None)
        save(self.place.share_path(record.id), cleaned)
        if record.moving_to is not None:
            storage.reclaim(self.place, record.moving_to)
        return cleaned

    @step("share.transfer.plan")
    def _plan(self, record: ShareRecord, project_id: str) -> ShareRecord:
        """From here on the share is exported to nobody, and room is promised in both images."""
        if record.moving_to == project_id:
            return record
        if _strays(record):
            record = self.clean(record)
        snapshots = list(self._snapshots(record))
        with storage.pool_locked(self.layout, self.options):
            bytes_ = record.size_gib * GIB + sum(item.size for item in snapshots)
            storage.take_room(self.layout, self.options, -(-bytes_ // GIB))
            for item in snapshots:
                save(self.place.snapshot_path(item.id), _changed(item, moving_to=project_id))
            record = _changed(record, moving_to=project_id, moved_from=None)
            save(self.place.share_path(record.id), record)
        return record

    @step("share.transfer.stop")
    def _stop(self, record: ShareRecord) -> None:
        """No client writes to it any more."""
        nfs.withdraw(self.place, self.options, record)
        mounts.unmount(self.place.mount(record.id))

    @step("share.transfer.copy")
    def _copy(self, record: ShareRecord, project_id: str) -> None:
        """The other image holds the same; what an earlier attempt left of the share is not used."""
        place = self.place
        storage.open_image(place, record.project_id)
        storage.open_image(place, project_id)
        for item in self._snapshots(record):
            target = place.snapshot(project_id, item.id)
            if not btrfs.is_subvolume(target):
                draft = target.with_name(f"incoming-{target.name}")
                self._fill(place.snapshot(item.project_id, item.id), draft, item.size)
                btrfs.copy(draft, target, limit=None, read_only=True)
                btrfs.delete(draft)
        target = place.subvolume(project_id, record.id)
        self._fill(place.subvolume(record.project_id, record.id), target, record.size_gib * GIB)
        btrfs.set_limit(target, record.size_gib * GIB)

    @staticmethod
    def _fill(source: Path, target: Path, size: int) -> None:
        btrfs.delete(target)
        # Twice the room: how much a copy takes is not exactly what the original took.
        btrfs.create(target, mode=_MODE, limit=2 * size + GIB)
        run_holding(
            *("cp", "--archive", "--sparse=always", "--", f"{source}/.", str(target)),
            timeout=_COPY_SECONDS,
        )

    @step("share.transfer.record")
    def _hand_over(self, record: ShareRecord, project_id: str) -> ShareRecord:
        """The copy is the share; what it was copied from is left to be cleaned."""
        for item in self._snapshots(record):
            changed = _changed(item, project_id=project_id, moving_to=None)
            save(self.place.snapshot_path(item.id), changed)
        moved = _changed(
            record, project_id=project_id, moving_to=None, moved_from=record.project_id
        )
        save(self.place.share_path(record.id), moved)
        return moved

    def _drop_from(
        self, record: ShareRecord, snapshots: Sequence[SnapshotRecord], project_id: str
    ) -> None:
        place = self.place
        if not place.image(project_id).exists:
            return
        storage.open_image(place, project_id)
        btrfs.delete(place.subvolume(project_id, record.id))
        for item in snapshots:
            path = place.snapshot(project_id, item.id)
            btrfs.delete(path.with_name(f"incoming-{path.name}"))
            btrfs.delete(path)

    def _snapshots(self, record: ShareRecord) -> Iterator[SnapshotRecord]:
        return (item for item in self.place.snapshots() if item.share_id == record.id)


def _strays(record: ShareRecord) -> list[str]:
    """Projects in whose images something of the share may be that is not the share."""
    others = {record.moving_to, record.moved_from} - {record.project_id}
    return sorted(item for item in others if item is not None)


def _changed(record: Record, **values: object) -> Record:
    return msgspec.structs.replace(record, **values)
