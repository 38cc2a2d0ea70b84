"""The driver contract: what a driver is given, gives back, and may raise.

A driver imports this module, `errors`, `modes`, `steps` and (the linux driver)
`abaca.linux`. It holds no network code: in the multi modes its one source of
addresses is the helper it is handed. Every method is idempotent and
level-triggered: it looks at what exists, and makes the difference. Only
`abaca.errors.DriverError` (and what the helper raises) may leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

from oslo_config import cfg

from abaca.modes import DriverMode
from abaca.network.helper import FlatHelper, ManagedHelper
from abaca.network.plugin import Fabric, Segment

ADMIN_WIRE = "admin"
"""The physical network that the administrators' network is on, in a driver's options."""


class Locality(StrEnum):
    """Where a backend's work may be done."""

    HOST = "host"
    """Only on the host that has the storage."""
    ANY = "any"


class AccessLevel(StrEnum):
    """What a rule grants."""

    READ_WRITE = "rw"
    READ_ONLY = "ro"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A share server, as a driver sees it."""

    id: str
    project_id: str
    identifier: str | None = None
    """What the backend called it before Abaca adopted it; None for one made for its ID."""

    @property
    def key(self) -> str:
        """By what the backend knows it."""
        return self.identifier or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share (instance), as a driver sees it. ``server`` is None in single_svm."""

    id: str
    """Share instance ID: the name of everything that is made for it."""
    project_id: str
    size_gib: int
    protocol: str
    export_id: int
    """Positive, unique and never reused within the server (within the backend in single_svm)."""
    server: Server | None
    made: bool = False
    """True once it was made: then its data is found again, and never replaced by nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot (instance) of a share."""

    id: str
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """Who may mount. Drivers apply most specific first; an empty list admits nobody."""

    network: IPv4Network | IPv6Network
    level: AccessLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLocation:
    """``address:/path`` that a standard client mounts."""

    path: str
    preferred: bool = False
    is_admin_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A place for shares, as reported to the scheduler."""

    name: str
    total_gib: float
    free_gib: float
    capabilities: Mapping[str, str | bool | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What exists for a backend in the world, by the IDs that Abaca gave (for the audit).

    An adopted server is there by its identifier; one that was left, not at all.
    """

    servers: frozenset[str]
    shares: frozenset[str]
    snapshots: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """A part that the driver's notes have and the world has not, or the reverse."""

    kind: str
    """What it is, in one word: ``namespace``, ``image``, ``subvolume``, ``mount``."""
    name: str
    """Where to find it."""
    missing: bool
    """True: it is noted, and not there. False: it is there, and in no note."""
    of: str | None
    """The ID of the share, snapshot or share server that it is part of, as far as it shows."""
    holds_data: bool = True
    """False: nothing is lost if it is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHost:
    """What Abaca lends to a driver instance."""

    backend: str
    mode: DriverMode
    host: str
    state_path: Path
    """A directory of this deployment for small run-time state, kept over restarts."""
    deployment: str
    """Eight hexadecimal digits that differ between deployments on one machine."""


class Driver(Protocol):
    """A storage backend. Every method is required; all sizes are GiB."""

    name: ClassVar[str]
    modes: ClassVar[frozenset[DriverMode]]
    protocols: ClassVar[frozenset[str]]
    locality: ClassVar[Locality]
    options: ClassVar[tuple[cfg.Opt, ...]]
    """Options of a backend section, beside those that every backend has."""

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with a backend section, one line per fault (no I/O)."""

    @classmethod
    def from_config(cls, section: str, values: Mapping[str, object], host: BackendHost) -> Self:
        """Make the instance for a section whose ``faults`` are none."""

    def start(self) -> None:
        """Check privileges and programs; bring back what a reboot took, as far as local state goes.

        Raises DriverError with what to install or grant.
        """

    def pools(self) -> list[Pool]:
        """The pools now."""

    def ensure_server(
        self, server: Server, network: FlatHelper | ManagedHelper
    ) -> Mapping[str, str]:
        """The server exists, is connected and serves. Returns details for administrators.

        ``network.admin`` is for those that are `ServesAdmins`; it is None for others.
        """

    def remove_server(self, server: Server) -> None:
        """The server is gone with all that was made for it; succeeds on unknown."""

    def ensure_share(self, share: Share, source: Snapshot | None) -> list[ExportLocation]:
        """The share exists (a copy of ``source`` if given) with its size, exported to nobody yet.

        On an existing share: nothing is lost, the export is brought back with the
        rules it had, and the size is left as it is. DriverError if it was made and
        its data can't be found.
        """

    def remove_share(self, share: Share) -> None:
        """The share is gone, with its data and export; succeeds on unknown."""

    def resize_share(self, share: Share) -> None:
        """The quota is ``share.size_gib``. ShrinkRefused if more is used."""

    def apply_access(self, share: Share, rules: Sequence[AccessRule]) -> None:
        """Exactly these rules are in force, other clients undisturbed."""

    def ensure_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot exists."""

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot is gone; succeeds on unknown."""

    def revert_share(self, snapshot: Snapshot) -> None:
        """The share has the snapshot's content; repeated, it may do it again."""

    def check_server(self, server: Server | None) -> bool:
        """True if the server serves; False if it must be ensured again.

        None is the backend's own server in single_svm.
        """

    def inventory(self) -> Inventory:
        """What exists now."""


@runtime_checkable
class Adopts(Protocol):
    """Optional: running share servers are taken over (manage), and left running (unmanage).

    A server whose ``identifier`` is set is adopted by `Driver.ensure_server`, with the
    addresses that it has: the helper holds them by then.
    """

    def server_addresses(
        self, server: Server, options: Mapping[str, str]
    ) -> Sequence[IPv4Address | IPv6Address]:
        """The addresses of the server that ``server.key`` names; DriverError if there is none.

        Nothing is changed. ``options`` are the administrator's words for this driver.
        """

    def leave_server(self, server: Server) -> None:
        """It stays as it runs, and is nobody's; succeeds on unknown, and again."""


@runtime_checkable
class ServesAdmins(Protocol):
    """Optional: share servers have an interface more, on a network of the administrators'.

    Where ``network.admin`` is not None, `Driver.ensure_server` gives the server an interface
    with its addresses, apart from the others: nothing gets from one to another. The export
    locations there are ``is_admin_only``. Where it is None, there is no such interface any more.
    """

    @classmethod
    def admin_faults(cls, section: str, values: Mapping[str, object]) -> list[str]:
        """What a backend section lacks for it, one line per fault (no I/O)."""


@runtime_checkable
class Inspects(Protocol):
    """Optional: the driver compares what it noted with what is there (for the audit).

    `Driver.inventory` tells what it has notes of; this looks at the world itself.
    """

    def oddities(self) -> Sequence[Oddity]:
        """Where they differ. What is just being made or removed may be among it."""

    def discard(self, oddity: Oddity) -> bool:
        """Remove a part that is still there, in no note, and holds no data; False if it is not."""


@runtime_checkable
class TellsAccess(Protocol):
    """Optional: the driver says which access rules are in force (for the audit)."""

    def access(self) -> Mapping[str, frozenset[AccessRule]]:
        """The rules in force, by share ID: as in `Driver.apply_access`, where those are.

        Changes nothing. Shares that are not served now are left out.
        """


@runtime_checkable
class Transfers(Protocol):
    """Optional: a share without a share server can become another project's."""

    def transfer_share(self, share: Share) -> None:
        """It is ``share.project_id``'s, whoever's it was, with its snapshots; again is the same."""


@runtime_checkable
class HasFabric(Protocol):
    """Optional: the driver has wires on this host, which plugins may use for routers."""

    @property
    def fabric(self) -> Fabric | None:
        """The wires of this host; None in a mode that has none."""


@runtime_checkable
class Prepared(Protocol):
    """Optional: the driver says beforehand what `Driver.start` would refuse."""

    @classmethod
    def findings(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What this host lacks for a section without `faults`, one line each that says what to do.

        Privileges, programs, kernel, interfaces. Starts nothing and leaves nothing.
        """


@runtime_checkable
class KnowsWires(Protocol):
    """Optional: the driver's options say where segments come out."""

    @classmethod
    def outlet(cls, values: Mapping[str, object], segment: Segment) -> str | None:
        """Names the wire of this host that the segment is on; None if there is none.

        Segments on one wire have one name, whatever the section calls them. No I/O.
        """
