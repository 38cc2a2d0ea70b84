"""Where everything of a backend is kept, and the small records about it.

    STORAGE_PATH/BACKEND/
        pool.lock                   held while room is counted and taken
        locks/KEY.lock              held during each operation on a server
        KEY/                        one per share server; ``single`` in single_svm
            images/PROJECT.img      one btrfs per project
            shares/ID.json          `ShareRecord`
            snapshots/ID.json       `SnapshotRecord`
            network.json            `NetworkRecord`
            left                    the server is nobody's for now
            recovery/, ganesha.log
    /run/abaca/DEPLOYMENT/BACKEND'S HASH/KEY/
        bus, *.conf, *.pid          gone after a reboot, like what they belong to
        mounts/PROJECT              the whole image
        mounts/ID                   the share, as it is exported

The records say what is wanted and hold what the world can't tell; whether a
thing exists is always looked up in the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from abaca.drivers.driver import BackendHost
from abaca.errors import DriverError
from abaca.linux.files import write_whole
from abaca.linux.image import Image

SINGLE = "single"
"""Key of the one server of a backend in single_svm; no share server ID looks like it."""
LOCKS = "locks"
RUN_PATH = Path("/run/abaca")

Record = TypeVar("Record")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """An access rule in force."""

    network: str
    writes: bool


class ShareRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A share, and what is wanted of it."""

    id: str
    project_id: str
    size_gib: int
    export_id: int
    rules: tuple[Rule, ...] = ()
    leaving: bool = False
    """It is being removed: never export it again."""
    moving_to: str | None = None
    """The project into whose image it is being copied: not exported meanwhile."""
    moved_from: str | None = None
    """The project in whose image the original is still to be deleted."""

    @property
    def served(self) -> bool:
        """True if it is to be exported."""
        return not self.leaving and self.moving_to is None


class SnapshotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot, and the bytes that it refers to (what it may come to take alone)."""

    id: str
    share_id: str
    project_id: str
    size: int
    moving_to: str | None = None
    """The project into whose image it is being copied with its share."""


class InterfaceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An interface that a server has."""

    name: str
    network_type: str
    segmentation_id: int | None
    physical_network: str | None
    mtu: int
    mac_address: str | None
    addresses: tuple[str, ...]
    """With prefix length."""
    gateways: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    """Destination and next hop."""
    admin: bool = False
    """It is on the administrators' network."""


class NetworkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The interfaces of a server, as they were last ensured."""

    interfaces: tuple[InterfaceRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The files of one server."""

    key: str
    home: Path
    run: Path
    lock: Path
    netns: str | None
    """None in single_svm: this process's own namespace."""

    @property
    def exists(self) -> bool:
        """True from the first step of making the server to the last of removing it."""
        return self.home.is_dir()

    def image(self, project_id: str) -> Image:
        """The image of that project's shares."""
        return Image(self.home / "images" / f"{safe(project_id)}.img")

    def top(self, project_id: str) -> Path:
        """Where that image is mounted as a whole."""
        return self.run / "mounts" / f"project-{safe(project_id)}"

    def mount(self, share_id: str) -> Path:
        """Where the share is mounted by itself."""
        return self.run / "mounts" / safe(share_id)

    def subvolume(self, project_id: str, share_id: str) -> Path:
        """The share inside the image."""
        return self.top(project_id) / f"share-{safe(share_id)}"

    def snapshot(self, project_id: str, snapshot_id: str) -> Path:
        """The snapshot inside the image."""
        return self.top(project_id) / f"snapshot-{safe(snapshot_id)}"

    def share_path(self, share_id: str) -> Path:
        """The share's record."""
        return self.home / "shares" / f"{safe(share_id)}.json"

    def snapshot_path(self, snapshot_id: str) -> Path:
        """The snapshot's record."""
        return self.home / "snapshots" / f"{safe(snapshot_id)}.json"

    @property
    def network_path(self) -> Path:
        """The record of the server's interfaces."""
        return self.home / "network.json"

    @property
    def left_path(self) -> Path:
        """There while the server is nobody's: it was unmanaged."""
        return self.home / "left"

    def shares(self) -> list[ShareRecord]:
        """Every share of the server."""
        return _all(self.home / "shares", ShareRecord)

    def share(self, share_id: str) -> ShareRecord | None:
        """One share, if it is known here."""
        return load(self.share_path(share_id), ShareRecord)

    def snapshots(self) -> list[SnapshotRecord]:
        """Every snapshot of the server."""
        return _all(self.home / "snapshots", SnapshotRecord)

    def projects(self) -> set[str]:
        """Projects with a share or a snapshot here, or with one on its way."""
        return projects(self.shares(), self.snapshots())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The files of a backend."""

    root: Path
    run: Path
    deployment: str

    @classmethod
    def of(cls, storage_path: Path, host: BackendHost) -> Layout:
        """The layout of this backend of this deployment."""
        digest = hashlib.sha256(host.backend.encode()).hexdigest()[:8]
        return cls(
            root=storage_path / safe(host.backend),
            run=RUN_PATH / host.deployment / digest,
            deployment=host.deployment,
        )

    @property
    def pool_lock(self) -> Path:
        """Held while room is counted and taken."""
        return self.root / "pool.lock"

    def place(self, server_id: str | None) -> Place:
        """The files of a share server; of the backend's single server if None."""
        key = SINGLE if server_id is None else safe(server_id)
        return Place(
            key=key,
            home=self.root / key,
            run=self.run / key,
            lock=self.root / LOCKS / f"{key}.lock",
            netns=None if server_id is None else f"abaca-{self.deployment}-{key}",
        )

    def places(self) -> list[Place]:
        """Those of every server that is there, wholly or in part."""
        if not self.root.is_dir():
            return []
        keys = sorted(
            item.name for item in self.root.iterdir() if item.is_dir() and item.name != LOCKS
        )
        return [self.place(None if key == SINGLE else key) for key in keys]


def projects(shares: Iterable[ShareRecord], snapshots: Iterable[SnapshotRecord]) -> set[str]:
    """Projects that have one of them, or are getting one."""
    items: list[ShareRecord | SnapshotRecord] = [*shares, *snapshots]
    coming = {item.moving_to for item in items if item.moving_to is not None}
    return {item.project_id for item in items} | coming


def safe(name: str) -> str:
    """The name as one component of a path, whatever is in it."""
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if quoted.startswith(".") else quoted


def save(path: Path, record: msgspec.Struct) -> None:
    """Write a record, durably."""
    write_whole(path, msgspec.json.encode(record).decode() + "\n")


def load(path: Path, kind: type[Record]) -> Record | None:
    """Read a record; None if there is none, DriverError if it is not what was written there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DriverError(f"{path} is damaged: {error}") from error


def _all(folder: Path, kind: type[Record]) -> list[Record]:
    found = (load(path, kind) for path in sorted(folder.glob("*.json")))
    return [record for record in found if record is not None]
