"""A storage backend in memory, for tests and for benchmarks of the control plane.

It keeps the whole contract in all three modes: in the multi modes its one
source of addresses is the helper, and every verb is idempotent. What it made is
a `FakeWorld`, which can be kept in a file, so that it outlives a killed process
like real storage does. Every verb can be delayed and made to fail.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, ParamSpec, Self, TypeVar

import msgspec
from oslo_config import cfg

from abaca import errors
from abaca.drivers.driver import (
    AccessRule,
    BackendHost,
    ExportLocation,
    Inventory,
    Locality,
    Oddity,
    Pool,
    Server,
    Share,
    Snapshot,
)
from abaca.drivers.fake_world import FakeServer, FakeShare, FakeSnapshot, FakeWorld
from abaca.errors import DriverError, NetworkError, ShrinkRefused, StorageFull
from abaca.modes import DriverMode
from abaca.network.helper import FlatHelper, ManagedHelper
from abaca.network.plugin import IPAddress
from abaca.steps import step

__all__ = [
    "FakeDriver",
    "FakeHostDriver",
    "FakeServer",
    "FakeShare",
    "FakeSnapshot",
    "FakeWorld",
]

P = ParamSpec("P")
R = TypeVar("R")
VERBS = (
    "start",
    "pools",
    "ensure_server",
    "remove_server",
    "server_addresses",
    "leave_server",
    "ensure_share",
    "remove_share",
    "resize_share",
    "transfer_share",
    "apply_access",
    "ensure_snapshot",
    "remove_snapshot",
    "revert_share",
    "check_server",
    "inventory",
    "access",
    "oddities",
    "discard",
)
OWN_ADDRESS = "192.0.2.1"
"""Where a single_svm backend exports its shares."""


class FakeDriver:
    """`abaca.drivers.driver.Driver` on a `FakeWorld`; its work may be done on any host."""

    name: ClassVar[str] = "fake"
    modes: ClassVar[frozenset[DriverMode]] = frozenset(DriverMode)
    protocols: ClassVar[frozenset[str]] = frozenset({"NFS"})
    locality: ClassVar[Locality] = Locality.ANY
    options: ClassVar[tuple[cfg.Opt, ...]] = (
        cfg.StrOpt("fake_state_file", help="Keep what was made in this file (JSON)."),
        cfg.FloatOpt("fake_capacity_gib", default=10000.0, min=0, help="Size of the fake pool."),
        cfg.IntOpt(
            "fake_addresses", default=1, min=1, help="Addresses that each fake share server takes."
        ),
        cfg.ListOpt(
            "fake_delay",
            default=[],
            sample_default="ensure_share:0.5",
            help="Seconds that a verb takes, as VERB:SECONDS.",
        ),
        cfg.ListOpt(
            "fake_fail",
            default=[],
            sample_default="ensure_share:StorageFull:1",
            help="How often a verb fails with an error of abaca.errors, as VERB:ERROR:TIMES.",
        ),
    )

    def __init__(
        self,
        mode: DriverMode,
        *,
        capacity_gib: float = 10000.0,
        addresses: int = 1,
        state_file: Path | None = None,
    ) -> None:
        self.mode = mode
        self.capacity_gib = capacity_gib
        self.delays: dict[str, float] = {}
        """Seconds that a verb takes."""
        self.calls: list[str] = []
        """Verbs in the order they came."""
        self._addresses = addresses
        self._faults: dict[str, list[Exception]] = {}
        self._file = state_file
        self._lock = threading.RLock()
        self._version: tuple[int, int] | None = None
        """Which file the world was last read from, or written to."""
        self.world = FakeWorld()
        self._read()

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """Delays and faults that can't be read, or that name no verb or no error."""
        del mode
        lines = []
        for item in _words(values.get("fake_delay")):
            verb, _, seconds = item.partition(":")
            if verb not in VERBS or not seconds.replace(".", "", 1).isdigit():
                lines.append(f"[{section}] fake_delay: {item!r}; write VERB:SECONDS")
        for item in _words(values.get("fake_fail")):
            verb, _, rest = item.partition(":")
            error, _, times = rest.partition(":")
            if verb not in VERBS or _error(error) is None or not (times or "1").isdigit():
                lines.append(f"[{section}] fake_fail: {item!r}; write VERB:ERROR:TIMES")
        return lines

    @classmethod
    def admin_faults(cls, section: str, values: Mapping[str, object]) -> list[str]:
        """None: an interface more costs nothing here."""
        del section, values
        return []

    @classmethod
    def from_config(cls, section: str, values: Mapping[str, object], host: BackendHost) -> Self:
        """The driver of a backend section."""
        if lines := cls.faults(section, values, host.mode):
            raise DriverError("; ".join(lines))
        file = values.get("fake_state_file")
        driver = cls(
            host.mode,
            capacity_gib=float(str(values.get("fake_capacity_gib") or 10000.0)),
            addresses=int(str(values.get("fake_addresses") or 1)),
            state_file=Path(str(file)) if file else None,
        )
        for item in _words(values.get("fake_delay")):
            verb, _, seconds = item.partition(":")
            driver.delays[verb] = float(seconds)
        for item in _words(values.get("fake_fail")):
            verb, _, rest = item.partition(":")
            name, _, times = rest.partition(":")
            kind = _error(name)
            assert kind is not None  # noqa: S101 - `faults` has looked
            driver.fail(verb, *(kind(f"injected in {verb}") for _ in range(int(times or "1"))))
        return driver

    def fail(self, verb: str, *faults: Exception) -> None:
        """The next calls of this verb fail with these, one each, and change nothing."""
        with self._lock:
            self._faults.setdefault(verb, []).extend(faults)

    def mend(self, verb: str) -> None:
        """It fails no more."""
        with self._lock:
            self._faults.pop(verb, None)

    def start(self) -> None:
        """Nothing is needed."""
        self._begin("start")

    def pools(self) -> list[Pool]:
        """One pool; a share takes its whole size."""
        self._begin("pools")
        with self._alone():
            free = self.capacity_gib - sum(item.size_gib for item in self.world.shares.values())
        return [Pool(name="fake", total_gib=self.capacity_gib, free_gib=free)]

    @step("fake.server.make")
    def ensure_server(
        self, server: Server, network: FlatHelper | ManagedHelper
    ) -> Mapping[str, str]:
        """The server serves on addresses of the helper's."""
        self._begin("ensure_server")
        if self.mode is DriverMode.FLAT:
            assert not hasattr(network, "interfaces")  # noqa: S101 - a flat helper has none
            found = [item.address for item in network.addresses(self._addresses)]
        else:
            interfaces = network.interfaces(self._addresses)  # type: ignore[union-attr]
            found = [item.address for nic in interfaces for item in nic.addresses]
        admin = network.admin.addresses(self._addresses) if network.admin is not None else ()
        made = FakeServer(
            addresses=[str(item) for item in found],
            admin_addresses=[str(item.address) for item in admin],
        )
        with self._alone():
            self.world.servers[server.key] = made
            self._keep()
        details = {"addresses": ", ".join(made.addresses)}
        if admin:
            details["admin_addresses"] = ", ".join(made.admin_addresses)
        return details

    def server_addresses(self, server: Server, options: Mapping[str, str]) -> list[IPAddress]:
        """Those that it was made with."""
        del options
        self._begin("server_addresses")
        with self._alone():
            known = self.world.servers.get(server.key)
            if known is None:
                raise DriverError(f"there is no share server {server.key}")
            return [ip_address(item) for item in (*known.addresses, *known.admin_addresses)]

    def leave_server(self, server: Server) -> None:
        """It stays, and the inventory does not show it."""
        self._begin("leave_server")
        with self._alone():
            known = self.world.servers.get(server.key)
            if known is not None:
                known.left = True
                self._keep()

    @step("fake.server.remove")
    def remove_server(self, server: Server) -> None:
        """The server is gone, with the shares on it."""
        self._begin("remove_server")
        with self._alone():
            self.world.servers.pop(server.key, None)
            gone = [key for key, item in self.world.shares.items() if item.server == server.key]
            for key in gone:
                self._drop_share(key)
            self._keep()

    @step("fake.share.make")
    def ensure_share(self, share: Share, source: Snapshot | None) -> list[ExportLocation]:
        """The share exists and is exported, with the source's content if it is new.

        Without a file it forgets all shares with its process, and makes them anew.
        """
        self._begin("ensure_share")
        with self._alone():
            addresses, admin = self._addresses_of(share)
            known = self.world.shares.get(share.id)
            if known is None and share.made and self._file is not None:
                raise DriverError(f"the data of share {share.id} is not in {self._file}")
            if known is None:
                self.world.shares[share.id] = self._new(share, source)
            else:
                known.exported = True
            self._keep()
        return [
            ExportLocation(path=f"{self._spelt(address)}:/{share.id}", preferred=not index)
            for index, address in enumerate(addresses)
        ] + [
            ExportLocation(path=f"{self._spelt(address)}:/{share.id}", is_admin_only=True)
            for address in admin
        ]

    @step("fake.share.remove")
    def remove_share(self, share: Share) -> None:
        """The share is gone, with its snapshots."""
        self._begin("remove_share")
        with self._alone():
            self._drop_share(share.id)
            self._keep()

    @step("fake.share.resize")
    def resize_share(self, share: Share) -> None:
        """The size is the one given, unless more is used."""
        self._begin("resize_share")
        with self._alone():
            known = self._share(share.id)
            if share.size_gib < known.used_gib:
                raise ShrinkRefused(f"{known.used_gib} GiB are used, {share.size_gib} asked for")
            known.size_gib = share.size_gib
            self._keep()

    def transfer_share(self, share: Share) -> None:
        """It is this project's."""
        self._begin("transfer_share")
        with self._alone():
            self._share(share.id).project = share.project_id
            self._keep()

    @step("fake.share.access")
    def apply_access(self, share: Share, rules: Sequence[AccessRule]) -> None:
        """Exactly these rules are in force."""
        self._begin("apply_access")
        with self._alone():
            self._share(share.id).rules = sorted(
                (str(rule.network), str(rule.level)) for rule in rules
            )
            self._keep()

    @step("fake.snapshot.make")
    def ensure_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot has the content that the share had at the first call."""
        self._begin("ensure_snapshot")
        with self._alone():
            share = self._share(snapshot.share.id)
            taken = FakeSnapshot(snapshot.share.id, share.content, share.used_gib)
            self.world.snapshots.setdefault(snapshot.id, taken)
            self._keep()

    @step("fake.snapshot.remove")
    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot is gone."""
        self._begin("remove_snapshot")
        with self._alone():
            self.world.snapshots.pop(snapshot.id, None)
            self._keep()

    @step("fake.share.revert")
    def revert_share(self, snapshot: Snapshot) -> None:
        """The share has the snapshot's content."""
        self._begin("revert_share")
        with self._alone():
            taken = self._snapshot(snapshot.id)
            share = self._share(snapshot.share.id)
            share.content, share.used_gib = taken.content, taken.used_gib
            self._keep()

    def check_server(self, server: Server | None) -> bool:
        """True if the server serves; in single_svm if every share is exported."""
        self._begin("check_server")
        with self._alone():
            if server is None:
                return all(item.exported for item in self.world.shares.values())
            known = self.world.servers.get(server.key)
            return known is not None and known.serving

    def inventory(self) -> Inventory:
        """What exists now."""
        self._begin("inventory")
        with self._alone():
            return Inventory(
                servers=frozenset(k for k, item in self.world.servers.items() if not item.left),
                shares=frozenset(self.world.shares),
                snapshots=frozenset(self.world.snapshots),
            )

    def access(self) -> dict[str, frozenset[AccessRule]]:
        """The rules of each share that is exported."""
        self._begin("access")
        with self._alone():
            return self.world.access()

    def oddities(self) -> list[Oddity]:
        """Parts that nobody made; shares without their server, snapshots without their share."""
        self._begin("oddities")
        with self._alone():
            return self.world.oddities()

    def discard(self, oddity: Oddity) -> bool:
        """The part is gone, if nobody made it."""
        self._begin("discard")
        with self._alone():
            if oddity.kind != "part" or oddity.name not in self.world.strays:
                return False
            self.world.strays.remove(oddity.name)
            self._keep()
            return True

    def fill(self, share_id: str, content: str, used_gib: int = 0) -> None:
        """As if a client had written that."""
        with self._alone():
            share = self._share(share_id)
            share.content, share.used_gib = content, used_gib
            self._keep()

    def _begin(self, verb: str) -> None:
        """Every verb passes here: counted, delayed, and failed if that is wanted."""
        if delay := self.delays.get(verb):
            time.sleep(delay)
        with self._lock:
            self.calls.append(verb)
            waiting = self._faults.get(verb)
            if waiting:
                raise waiting.pop(0)

    def _new(self, share: Share, source: Snapshot | None) -> FakeShare:
        free = self.capacity_gib - sum(item.size_gib for item in self.world.shares.values())
        if share.size_gib > free:
            raise StorageFull(f"{free} GiB are free, {share.size_gib} asked for")
        made = FakeShare(
            server=share.server.key if share.server else None,
            size_gib=share.size_gib,
            export_id=share.export_id,
            project=share.project_id,
        )
        if source is not None:
            taken = self._snapshot(source.id)
            made.content, made.used_gib = taken.content, taken.used_gib
        return made

    def _addresses_of(self, share: Share) -> tuple[list[str], list[str]]:
        """Everybody's, and administrators'."""
        if share.server is None:
            return [OWN_ADDRESS], []
        server = self.world.servers.get(share.server.key)
        if server is None:
            raise DriverError(f"share server {share.server.key} does not exist")
        return server.addresses, server.admin_addresses

    def _share(self, share_id: str) -> FakeShare:
        share = self.world.shares.get(share_id)
        if share is None:
            raise DriverError(f"share {share_id} does not exist")
        return share

    def _snapshot(self, snapshot_id: str) -> FakeSnapshot:
        snapshot = self.world.snapshots.get(snapshot_id)
        if snapshot is None:
            raise DriverError(f"snapshot {snapshot_id} does not exist")
        return snapshot

    def _drop_share(self, share_id: str) -> None:
        self.world.shares.pop(share_id, None)
        gone = [key for key, item in self.world.snapshots.items() if item.share == share_id]
        for key in gone:
            del self.world.snapshots[key]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else is at the world, as it is now: processes that share the file take turns."""
        with self._lock:
            if self._file is None:
                yield
                return
            with self._file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._read()
                yield

    def _read(self) -> None:
        """The world as the file has it, if another process wrote it."""
        if self._file is None or not self._file.exists():
            return
        version = self._file.stat().st_ino, self._file.stat().st_mtime_ns
        if version != self._version:
            self.world = msgspec.json.decode(self._file.read_bytes(), type=FakeWorld)
            self._version = version

    def _keep(self) -> None:
        """Write the world down, whole or not at all: the process may be killed at any time."""
        if self._file is None:
            return
        beside = self._file.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(self.world))
        # Two files with one inode number, within one tick of the file system's clock, would
        # be one version.
        stamp = time.time_ns()
        os.utime(beside, ns=(stamp, stamp))
        beside.replace(self._file)
        self._version = self._file.stat().st_ino, self._file.stat().st_mtime_ns

    @staticmethod
    def _spelt(address: str) -> str:
        return f"[{address}]" if ":" in address else address


class FakeHostDriver(FakeDriver):
    """The same, but its work may be done only on the host that has the storage."""

    name: ClassVar[str] = "fake_host"
    locality: ClassVar[Locality] = Locality.HOST


def _words(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _error(name: str) -> Callable[[str], Exception] | None:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, DriverError | NetworkError):
        return kind
    return None
