"""Ledger and world of one backend, compared both ways.

The world is looked at between two readings of the ledger, and what is being
worked on is left out. What is made has its row before, and what is removed has
it until the end: so most of what is in the making is no difference. The rest is
gone at a second look; one alone proves nothing while work goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select

from abaca.db import allocations, share_instances, share_servers
from abaca.db import tables as t
from abaca.db.allocations import AllocationRow
from abaca.db.database import Database, Tx
from abaca.db.tables import now
from abaca.drivers.driver import Inspects, Inventory, Oddity, TellsAccess
from abaca.errors import (
    AbacaError,
    DatabaseUnavailable,
    NetworkError,
    NetworkUnavailable,
    WorkInterrupted,
)
from abaca.manager import access_audit
from abaca.manager.backend import Backend, BackendNetwork
from abaca.model.finding import (
    ADDRESS,
    BACKEND,
    NETWORK,
    SHARE,
    SHARE_SERVER,
    SNAPSHOT,
    Direction,
    Discrepancy,
)
from abaca.network import bound
from abaca.network.plugin import NetworkPlugin, ShowsOrphans
from abaca.states import ServerStatus, ShareStatus, SnapshotStatus
from abaca.work import queue

log = structlog.get_logger()
KINDS = (SHARE_SERVER, SHARE, SNAPSHOT)
ENOUGH = 3
"""Of a plugin that said so often that nobody knows, no more is asked."""
_NOT_OURS = (DatabaseUnavailable, WorkInterrupted)
"""These say nothing of a driver or plugin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What one look at a backend saw."""

    discrepancies: tuple[Discrepancy, ...]
    driver_asked: bool = True
    networks_asked: bool = True

    def knows(self, kind: str) -> bool:
        """False if whoever knows of findings of this kind could not be asked."""
        return self.networks_asked if kind in {NETWORK, ADDRESS} else self.driver_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the rows say of a backend, by kind."""

    known: Mapping[str, frozenset[str]]
    settled: Mapping[str, frozenset[str]]
    """Those of the known that must be there: made, not on their way anywhere."""
    busy: frozenset[str]
    """IDs of what is worked on, and of what that hangs on."""
    rules: access_audit.Rules
    """Who may mount what."""


def compare(
    db: Database, backend: Backend, networks: Iterable[BackendNetwork] | None = None
) -> Comparison:
    """What driver and plugins have for this backend and no row has, and the reverse.

    Changes nothing, and raises nothing but DatabaseUnavailable and WorkInterrupted: a
    driver or plugin that can't be asked is a difference by itself. ``networks``: those
    whose plugins are asked what no row has; all of the backend's unless given. While
    nothing is worked on one look is exact.
    """
    asked = backend.networks if networks is None else tuple(networks)
    own = _of_driver(db, backend)
    theirs = [
        item
        for network in backend.networks
        for item in _of_network(db, backend, network, orphans=network in asked)
    ]
    return Comparison(
        discrepancies=(*own, *theirs),
        driver_asked=not any(item.direction is Direction.NOT_ASKED for item in own),
        networks_asked=not any(item.direction is Direction.NOT_ASKED for item in theirs),
    )


def compare_all(db: Database, backends: Collection[Backend]) -> dict[str, Comparison]:
    """One look at each, by ``host@backend``."""
    asked = networks_asked(backends)
    return {item.host: compare(db, item, asked[item.host]) for item in backends}


def networks_asked(backends: Iterable[Backend]) -> dict[str, list[BackendNetwork]]:
    """Which networks each looks at, so that a section that several use is asked once."""
    asked: dict[str, list[BackendNetwork]] = {}
    known: set[tuple[str, str]] = set()
    for backend in backends:
        mine = {(item.section, str(item.mode)): item for item in backend.networks}
        asked[backend.host] = [item for key, item in mine.items() if key not in known]
        known |= mine.keys()
    return asked


def _of_driver(db: Database, backend: Backend) -> list[Discrepancy]:
    driver: object = backend.driver
    with db.read() as tx:
        before = _read(tx, backend)
    try:
        here = backend.driver.inventory()
        odd = list(driver.oddities()) if isinstance(driver, Inspects) else []
        access = driver.access() if isinstance(driver, TellsAccess) else {}
    except _NOT_OURS:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, of this backend nothing is known
        _tell(error, backend=backend.name)
        return [not_asked(BACKEND, backend.host, error)]
    with db.read() as tx:
        after = _read(tx, backend)
    busy = before.busy | after.busy
    return [
        *_missing(here, before, after, busy),
        *_parts(odd, busy),
        *access_audit.differences(before.rules, access, after.rules, busy),
    ]


def _missing(
    here: Inventory, before: Ledger, after: Ledger, busy: frozenset[str]
) -> Iterator[Discrepancy]:
    there = {SHARE_SERVER: here.servers, SHARE: here.shares, SNAPSHOT: here.snapshots}
    for kind in KINDS:
        known = before.known[kind] | after.known[kind] | busy
        for item in there[kind] - known:
            yield Discrepancy(
                kind=kind,
                resource_id=item,
                direction=Direction.MISSING_IN_LEDGER,
                holds_data=kind != SHARE_SERVER,
            )
        settled = (before.settled[kind] & after.settled[kind]) - busy
        for item in settled - there[kind]:
            yield Discrepancy(kind=kind, resource_id=item, direction=Direction.MISSING_IN_WORLD)


def _parts(odd: Sequence[Oddity], busy: frozenset[str]) -> Iterator[Discrepancy]:
    for item in odd:
        if item.of not in busy:
            missing = Direction.MISSING_IN_WORLD if item.missing else Direction.MISSING_IN_LEDGER
            yield Discrepancy(
                kind=item.kind,
                resource_id=item.name,
                direction=missing,
                detail=f"of {item.of}" if item.of else "",
                holds_data=item.holds_data,
            )


def _read(tx: Tx, backend: Backend) -> Ledger:
    host = backend.host
    busy = queue.busy(tx)
    servers = {item.identifier or item.id: item for item in share_servers.find(tx, {"host": host})}
    shares = {item.id: item for item in share_instances.of_host(tx, host)}
    column = t.snapshot_instances.c
    rows = tx.execute(
        select(column.id, column.status, column.share_instance_id)
        .join(t.share_instances, t.share_instances.c.id == column.share_instance_id)
        .where(t.share_instances.c.host == host)
    ).all()
    # What is on something that is worked on is so too: a server that is mended mends its shares.
    busy |= {key for key, item in servers.items() if item.id in busy}
    busy |= {item.id for item in shares.values() if item.share_server_id in busy}
    busy |= {row.id for row in rows if row.share_instance_id in busy}
    return Ledger(
        known={
            SHARE_SERVER: frozenset(servers),
            SHARE: frozenset(shares),
            SNAPSHOT: frozenset(row.id for row in rows),
        },
        settled={
            SHARE_SERVER: frozenset(
                key
                for key, item in servers.items()
                if item.status is ServerStatus.ACTIVE and item.slot is not None
            ),
            SHARE: frozenset(
                item.id
                for item in shares.values()
                if item.made
                and not item.status.in_motion
                and item.status is not ShareStatus.ERROR_DELETING
            ),
            SNAPSHOT: frozenset(row.id for row in rows if row.status == SnapshotStatus.AVAILABLE),
        },
        busy=frozenset(busy),
        rules=access_audit.wanted(tx, host),
    )


def _of_network(
    db: Database, backend: Backend, network: BackendNetwork, *, orphans: bool
) -> list[Discrepancy]:
    plugin, seen = network.plugin, list[Discrepancy]()
    try:
        if orphans and isinstance(plugin, ShowsOrphans):
            for line in bound.orphans(plugin, db, now()):
                way = Direction.MISSING_IN_LEDGER
                seen.append(Discrepancy(kind=NETWORK, resource_id=line, direction=way))
        # One by one: what was found is kept, also if of others nobody knows.
        for item in _lost(db, backend, network):
            seen.append(item)
    except _NOT_OURS:
        raise
    except Exception as error:  # noqa: BLE001 - same
        _tell(error, backend=backend.name, section=network.section)
        seen.append(not_asked(NETWORK, f"[{network.section}]", error))
    return seen


def _lost(db: Database, backend: Backend, network: BackendNetwork) -> Iterator[Discrepancy]:
    """Addresses that share servers were given and the plugin no longer has.

    NetworkUnavailable in the end if nobody knows of some.
    """
    lost: list[tuple[AllocationRow, NetworkError]] = []
    unknown: list[NetworkUnavailable] = []
    _ask(network.plugin, _given(db, backend, network.section), lost, unknown)
    # Those that were given back meanwhile are not lost.
    still = {row.claim for row in _given(db, backend, network.section)} if lost else set()
    for row, fault in lost:
        if row.claim in still:
            yield Discrepancy(
                kind=ADDRESS,
                resource_id=f"{row.claim.owner}/{row.claim.subnet}/{row.claim.index}",
                direction=Direction.MISSING_IN_WORLD,
                detail=f"{_addresses(row)}: {fault}",
            )
    if unknown:
        raise unknown[0]


def _ask(
    plugin: NetworkPlugin,
    rows: Sequence[AllocationRow],
    lost: list[tuple[AllocationRow, NetworkError]],
    unknown: list[NetworkUnavailable],
) -> None:
    """Ask for all at once; if not all are well, for each server's, and of those for each."""
    if not rows:
        return
    try:
        plugin.check([row.allocation for row in rows if row.allocation is not None])
    except NetworkError as error:
        if len(rows) == 1:
            if isinstance(error, NetworkUnavailable):
                unknown.append(error)
            else:
                lost.append((rows[0], error))
            return
        for part in _parted(rows):
            if len(unknown) < ENOUGH:
                _ask(plugin, part, lost, unknown)


def _parted(rows: Sequence[AllocationRow]) -> list[list[AllocationRow]]:
    """By share server; those of one server one by one."""
    parts: dict[str, list[AllocationRow]] = {}
    for row in rows:
        parts.setdefault(row.claim.owner, []).append(row)
    return list(parts.values()) if len(parts) > 1 else [[row] for row in rows]


def _given(db: Database, backend: Backend, section: str) -> list[AllocationRow]:
    """What settled share servers hold in the section, with the plugin's answer."""
    with db.read() as tx:
        busy = queue.busy(tx)
        rows = allocations.of_host(tx, backend.host, section)
    return [row for row in rows if row.allocation is not None and row.claim.owner not in busy]


def _addresses(row: AllocationRow) -> str:
    return ", ".join(map(str, row.allocation.addresses)) if row.allocation else ""


def not_asked(kind: str, name: str, error: Exception) -> Discrepancy:
    """Of this driver (`BACKEND`) or plugin (`NETWORK`) nobody knows, and why."""
    text = str(error) if isinstance(error, AbacaError) else f"{type(error).__name__}: {error}"
    return Discrepancy(kind=kind, resource_id=name, direction=Direction.NOT_ASKED, detail=text)


def _tell(error: Exception, **what: str) -> None:
    if isinstance(error, AbacaError):
        log.warning("audit_not_asked", error=str(error), **what)
    else:
        log.error("audit_not_asked", exc_info=error, **what)
