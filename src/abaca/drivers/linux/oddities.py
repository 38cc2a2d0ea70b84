"""What the records of a backend say, against what is on this host.

Nothing is locked: what is just being made or removed shows up too, and whoever
asks looks twice. Only what carries this deployment's name is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from abaca.drivers.driver import Oddity
from abaca.drivers.linux.layout import RUN_PATH, Layout, Place, ShareRecord, SnapshotRecord, safe
from abaca.drivers.linux.oddities_serving import links, of_nfs, stray_daemons
from abaca.drivers.linux.options import LinuxOptions
from abaca.drivers.linux.storage import read_only
from abaca.linux import btrfs, mounts, netns
from abaca.linux.fabric import LinuxFabric
from abaca.linux.image import loops as attached

NAMESPACE, IMAGE, SUBVOLUME, MOUNT = "namespace", "image", "subvolume", "mount"
LOOP, READ_ONLY = "loop", "read_only"
_PART = re.compile(r"(?:\.new-|revert-|incoming-)*(?:share|snapshot)-(?P<id>.+)")


def oddities(layout: Layout, options: LinuxOptions, fabric: LinuxFabric | None) -> list[Oddity]:
    """Where records and host differ, for this backend."""
    mounted = {item.target for item in mounts.table()}
    found: list[Oddity] = []
    for place in layout.places():
        if not place.left_path.exists():
            found += _namespace(place)
            found += _storage(place, mounted)
            found += _mounts(place, mounted)
            found += loops(place)
            found += of_nfs(place, options)
    found += [daemon.oddity for daemon in stray_daemons(layout)]
    found += links(layout, fabric) if fabric is not None else ()
    return found + list(_stray_namespaces(layout))


def _namespace(place: Place) -> Iterator[Oddity]:
    if place.netns is not None and not netns.exists(place.netns):
        yield Oddity(kind=NAMESPACE, name=place.netns, missing=True, of=place.key, holds_data=False)


def _storage(place: Place, mounted: set[Path]) -> Iterator[Oddity]:
    """Images and subvolumes. Inside an image that is not mounted nobody can look."""
    records: list[ShareRecord | SnapshotRecord] = [*place.shares(), *place.snapshots()]
    noted: dict[str, set[str]] = {}
    for record in records:
        for project_id in _projects(record):
            noted.setdefault(project_id, set()).add(record.id)
        if not (isinstance(record, ShareRecord) and record.leaving):
            yield from _missing(place, record, mounted)
    images = {place.image(project_id).path for project_id in noted}
    for path in sorted((place.home / "images").glob("*.img")):
        if path not in images:
            yield Oddity(kind=IMAGE, name=str(path), missing=False, of=place.key)
    for project_id, ids in noted.items():
        if place.top(project_id).resolve() in mounted:
            yield from _stray_subvolumes(place, project_id, ids)


def _projects(record: ShareRecord | SnapshotRecord) -> set[str]:
    """Those in whose images something of it may be."""
    moved_from = record.moved_from if isinstance(record, ShareRecord) else None
    return {item for item in (record.project_id, record.moving_to, moved_from) if item is not None}


def _missing(
    place: Place, record: ShareRecord | SnapshotRecord, mounted: set[Path]
) -> Iterator[Oddity]:
    image, top = place.image(record.project_id), place.top(record.project_id)
    if isinstance(record, ShareRecord):
        path = place.subvolume(record.project_id, record.id)
    else:
        path = place.snapshot(record.project_id, record.id)
    if not image.exists:
        yield Oddity(kind=IMAGE, name=str(image.path), missing=True, of=record.id)
    elif top.resolve() in mounted and not btrfs.is_subvolume(path):
        yield Oddity(kind=SUBVOLUME, name=_inside(image.path, path), missing=True, of=record.id)


def _stray_subvolumes(place: Place, project_id: str, ids: set[str]) -> Iterator[Oddity]:
    """Those of no record; and drafts, which are of work that did not end."""
    whole = {place.subvolume(project_id, item).name for item in ids}
    whole |= {place.snapshot(project_id, item).name for item in ids}
    for path in sorted(place.top(project_id).iterdir()):
        if path.name in whole or not btrfs.is_subvolume(path):
            continue
        part = _PART.fullmatch(path.name)
        yield Oddity(
            kind=SUBVOLUME,
            name=_inside(place.image(project_id).path, path),
            missing=False,
            of=unquote(part["id"]) if part else place.key,
        )


def _inside(image: Path, path: Path) -> str:
    """``/srv/.../images/PROJECT.img:share-ID``."""
    return f"{image}:{path.name}"


def _mounts(place: Place, mounted: set[Path]) -> Iterator[Oddity]:
    """Those of shares that are missing; and others, which may be the last hold on a lost image."""
    shares = {place.mount(item.id).resolve(): item for item in place.shares() if item.served}
    projects = {project_id for item in place.shares() for project_id in _projects(item)}
    tops = {place.top(item).resolve() for item in place.projects() | projects}
    for target, share in shares.items():
        if target not in mounted and place.image(share.project_id).exists:
            yield Oddity(kind=MOUNT, name=str(target), missing=True, of=share.id, holds_data=False)
    folder = place.run.resolve() / "mounts"
    for target in sorted(mounted):
        if target.parent == folder and target not in shares and target not in tops:
            yield Oddity(kind=MOUNT, name=str(target), missing=False, of=place.key)

    stopped = {item.target for item in read_only(place)}
    for project_id in sorted(projects):
        if place.top(project_id).resolve() in stopped:
            name = str(place.image(project_id).path)
            yield Oddity(kind=READ_ONLY, name=name, missing=False, of=place.key)


def loops(place: Place) -> list[Oddity]:
    """Loop devices that nothing is mounted from.

    One on a file that was deleted, or that no record needs, may be all that is left of it.
    """
    records: list[ShareRecord | SnapshotRecord] = [*place.shares(), *place.snapshots()]
    projects = {project_id for item in records for project_id in _projects(item)}
    images = {place.image(item).path.resolve() for item in projects}
    sources = {item.source for item in mounts.table()}
    return [
        Oddity(
            kind=LOOP,
            name=f"{item.device} on {item.path}",
            missing=False,
            of=place.key,
            holds_data=item.deleted or item.path not in images,
        )
        for item in attached(place.home.resolve())
        if item.device not in sources or item.deleted or item.path not in images
    ]


def _stray_namespaces(layout: Layout) -> Iterator[Oddity]:
    """Named like a share server of this deployment, and no backend of this host has that one.

    The directory of a server is made before its namespace, and removed after it.
    """
    for name in netns.namespaces():
        if (found := stray_namespace(layout, name)) is not None:
            yield found


def stray_namespace(layout: Layout, name: str) -> Oddity | None:
    """This one, if it is one."""
    prefix = f"abaca-{layout.deployment}-"
    key = name.removeprefix(prefix)
    if not name.startswith(prefix) or key == "switch" or key.startswith("r-") or safe(key) != key:
        return None
    # Asked before the directories: what appears in between has its directory by then.
    if not netns.exists(name):
        return None
    backends = (RUN_PATH / layout.deployment).glob("*")
    if any((backend / key).exists() for backend in backends):
        return None
    return Oddity(kind=NAMESPACE, name=name, missing=False, of=key, holds_data=False)
