"""The images of a server: sized to what they may have to hold, mounted, trimmed, removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from abaca.drivers.driver import Pool
from abaca.drivers.linux.layout import Layout, Place, ShareRecord, SnapshotRecord, projects
from abaca.drivers.linux.options import LinuxOptions
from abaca.errors import CommandFailed, StorageFull
from abaca.linux import btrfs, mounts
from abaca.linux.image import Image, mount_top
from abaca.linux.lock import locked
from abaca.steps import step

GIB = 1 << 30
REVIVE_BYTES = 64 << 20
"""With less room an image would be read-only again at once."""
REVIVE_SECONDS = 600.0
_OVERHEAD_BYTES = 256 << 20
_OVERHEAD_FACTOR = 1.125
"""Room for what quotas don't count: checksums, extent trees, half-used chunks."""


def needed_bytes(place: Place, project_id: str) -> int:
    """What the project's image holds at worst: every share full, no block shared."""
    return _needed(place.shares(), place.snapshots(), project_id)


def _needed(
    shares: Iterable[ShareRecord], snapshots: Iterable[SnapshotRecord], project_id: str
) -> int:
    held = sum(i.size_gib * GIB for i in shares if project_id in {i.project_id, i.moving_to})
    held += sum(i.size for i in snapshots if project_id in {i.project_id, i.moving_to})
    return int(held * _OVERHEAD_FACTOR) + _OVERHEAD_BYTES


def open_image(place: Place, project_id: str) -> None:
    """The project's image exists, is large enough, and is mounted as a whole."""
    image, top = place.image(project_id), place.top(project_id)
    size = needed_bytes(place, project_id)
    image.make(size)
    mount_top(image, top)
    btrfs.enable_quotas(top)
    image.grow(size, top)


def mount_share(place: Place, share: ShareRecord) -> bool:
    """The share is mounted by itself; False if its subvolume was not made yet."""
    there = mounts.mounted(place.top(share.project_id))
    if there is None or not btrfs.is_subvolume(place.subvolume(share.project_id, share.id)):
        return False
    mounts.mount(
        there.source,
        place.mount(share.id),
        kind="btrfs",
        options=f"subvol={place.subvolume(share.project_id, share.id).name}",
    )
    return True


@step("server.create.storage")
def restore(place: Place) -> None:
    """Every image and share that the records know is mounted (again)."""
    stopped = {item.target for item in read_only(place)}
    for project_id in sorted(place.projects()):
        if place.image(project_id).exists and place.top(project_id).resolve() not in stopped:
            open_image(place, project_id)
    for share in place.shares():
        if share.served:
            mount_share(place, share)


def read_only(place: Place) -> list[mounts.Mount]:
    """The mounts of images that take no writes any more: btrfs had no room for its own blocks."""
    return [item for item in mounted(place) if item.read_only and item.kind == "btrfs"]


def mounted(place: Place) -> list[mounts.Mount]:
    """The mounts of images and shares of the server, oldest first."""
    folder = place.run.resolve() / "mounts"
    # A host has many mounts; a new server's folder comes with its first.
    return mounts.table(folder) if folder.is_dir() else []


def revivable(place: Place) -> bool:
    """True if there are some, and room, and the last attempt is a while ago.

    What becomes read-only again and again is damaged: whoever reads it is not to be
    interrupted all the time.
    """
    if not read_only(place) or _room(place) < REVIVE_BYTES:
        return False
    try:
        return abs(time.time() - _revived(place).stat().st_mtime) > REVIVE_SECONDS
    except FileNotFoundError:
        return True


def close_read_only(place: Place) -> None:
    """They are unmounted, for `restore` to mount; nobody may use them."""
    for item in reversed(read_only(place)):
        mounts.unmount(item.target)
    _revived(place).touch()


def _revived(place: Place) -> Path:
    return place.run / "revived"


def _room(place: Place) -> int:
    room = os.statvfs(place.home)
    return room.f_bavail * room.f_frsize


def all_mounted(place: Place) -> bool:
    """True if everything that `restore` mounts is mounted."""
    there = {item.target for item in mounted(place)}
    return all(
        place.mount(share.id).resolve() in there
        for share in place.shares()
        if share.served and place.image(share.project_id).exists
    )


@step("share.delete.image")
def reclaim(place: Place, project_id: str) -> None:
    """Give the host back what the project no longer needs: all of it after its last share."""
    image, top = place.image(project_id), place.top(project_id)
    if project_id not in place.projects():
        remove_image(place, project_id)
    elif mounts.mounted(top) is not None:
        btrfs.settle_deleted(top)
        with suppress(CommandFailed):
            # Where the host's file system can't punch holes, its room is not given back.
            image.trim(top)


def remove_image(place: Place, project_id: str) -> None:
    """The project's image is gone, with all that is in it."""
    mounts.unmount(place.top(project_id))
    place.image(project_id).remove()


def is_alone(place: Place, share: ShareRecord) -> bool:
    """True if its project's image has nothing else in it that anybody needs."""
    items: list[ShareRecord | SnapshotRecord] = [*place.shares(), *place.snapshots()]
    return not any(
        share.project_id in {item.project_id, item.moving_to} and item.id != share.id
        for item in items
    )


@step("server.delete.storage")
def remove_all(place: Place) -> None:
    """No mount, loop device or image of the server is left."""
    for item in reversed(mounted(place)):
        mounts.unmount(item.target)
    folder = place.home / "images"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        Image(path).remove()


def pool(layout: Layout, options: LinuxOptions, backend: str) -> Pool:
    """The room of the backend: the host's, less what the images may still grow to."""
    layout.root.mkdir(parents=True, exist_ok=True)
    total, free = _host_room(layout)
    reserved = total * options.reserved_percentage // 100
    total -= reserved
    free += -reserved + int((options.over_subscription - 1) * total) - _promised(layout)
    return Pool(
        name=backend,
        total_gib=round(total / GIB, 2),
        free_gib=round(max(0, free) / GIB, 2),
        capabilities={
            "storage_protocol": "NFS",
            "snapshot_support": True,
            "create_share_from_snapshot_support": True,
            "revert_to_snapshot_support": True,
            "mount_snapshot_support": False,
            "thin_provisioning": options.over_subscription > 1,
            "max_over_subscription_ratio": options.over_subscription,
            "reserved_percentage": float(options.reserved_percentage),
            "ipv4_support": True,
            "ipv6_support": True,
            "dedupe": False,
            "compression": False,
            "qos": False,
        },
    )


def take_room(layout: Layout, options: LinuxOptions, gib: int) -> None:
    """Raise StorageFull unless the pool has room for so many more GiB; the pool lock is held."""
    free = pool(layout, options, "").free_gib
    if free < gib:
        raise StorageFull(f"{layout.root}: {gib} GiB wanted, {free} GiB free")


def pool_locked(layout: Layout, options: LinuxOptions) -> AbstractContextManager[None]:
    """Room is counted and taken inside this block."""
    return locked(layout.pool_lock, timeout=options.operation_timeout)


def _host_room(layout: Layout) -> tuple[int, int]:
    room = os.statvfs(layout.root)
    return room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize


def _promised(layout: Layout) -> int:
    """Bytes that images may still come to take."""
    promised = 0
    for place in layout.places():
        shares, snapshots = place.shares(), place.snapshots()
        for project_id in projects(shares, snapshots):
            taken = place.image(project_id).allocated
            promised += max(0, _needed(shares, snapshots, project_id) - taken)
    return promised
