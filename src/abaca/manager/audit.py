"""Audits: each backend is compared with the ledger now and then, by one manager at a time.

An audit is a task like others: its lease says who does it, and whoever has the
backend may take it over. What one look sees is a suspicion; what the next one
sees too, some time later, is found, and what of it is provably nobody's is
removed once it is old enough.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from abaca.db import audits, findings, share_servers
from abaca.db.database import Database, Tx
from abaca.db.tables import now
from abaca.drivers.driver import Inspects, Oddity, Server
from abaca.errors import DriverError, NetworkError
from abaca.manager import access_audit
from abaca.manager.backend import Backend, BackendNetwork
from abaca.manager.comparison import Comparison, compare, networks_asked, not_asked
from abaca.manager.looks import look_at_server
from abaca.manager.options import ManagerOptions
from abaca.manager.supervision import is_needed
from abaca.model.finding import (
    ACCESS_RULE,
    BACKEND,
    NETWORK,
    STRANGE_SERVER,
    Audit,
    Direction,
    Discrepancy,
    Finding,
    Wanted,
)
from abaca.model.task import Task, TaskKind
from abaca.network import bound
from abaca.network.plugin import ShowsOrphans
from abaca.steps import commit
from abaca.work import queue
from abaca.work.audits import enqueue_audit
from abaca.work.lease import Lease

log = structlog.get_logger()
AUDIT = commit("audit.begin")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHandler:
    """Handler of `TaskKind.AUDIT`."""

    db: Database
    backends: Mapping[str, Backend]
    """By ``host@backend``."""
    options: ManagerOptions

    def run(self, lease: Lease) -> None:
        """Look, remember what was seen, repair what is safe."""
        host = lease.task.queue or ""
        if host not in self.backends:
            return
        backend, started_at = self.backends[host], now()
        with self.db.read() as tx:
            audit = audits.get(tx, host)
        repairing = audit is not None and audit.wanted == Wanted.REPAIR
        seen = compare(self.db, backend, self._networks(backend))
        grace = timedelta(seconds=self.options.confirm_seconds)
        with lease.write() as tx:
            found = findings.replace(
                tx, host, seen.discrepancies, knows=seen.knows, confirm_after=grace
            )
        age = grace if repairing else timedelta(seconds=self.options.orphan_seconds)
        before = started_at - age
        done = list(self._repair(lease, backend, seen, found, before))
        done += self._mend(lease, backend, seen, found)
        done += _admit(lease, backend, seen, found)
        asked = [audit.wanted_at] if repairing and audit and audit.wanted_at else []
        if seen.driver_asked and not _left(seen, done):
            for network in self._networks(backend):
                lease.check()
                done += self._collect(backend, network, found, before, asked)
        with lease.conclude() as tx:
            findings.repaired(tx, host, done)
            settled = _settled(audit, findings.first_suspected(tx, host))
            audits.finished(tx, host, started_at, settled=settled)
        for item in done:
            log.warning("repaired", backend=backend.name, kind=item.kind, what=item.resource_id)
        if found:
            log.warning("ledger_and_world_differ", backend=backend.name, findings=len(found))

    def superseded(self, _tx: Tx, _task: Task) -> bool:
        """Never: the task goes again if somebody asked meanwhile."""
        return False

    def failed(self, lease: Lease, error: Exception) -> None:
        """Nobody knows of the backend; what was asked for is still wanted, of the next one."""
        host = lease.task.queue or ""
        grace = timedelta(seconds=self.options.confirm_seconds)
        with lease.conclude() as tx:
            unknown = [not_asked(BACKEND, host, error)]
            findings.replace(tx, host, unknown, knows=lambda _: False, confirm_after=grace)
            audits.finished(tx, host, now(), settled=False)
        log.error("audit_failed", host=host, error=str(error))

    def _networks(self, backend: Backend) -> list[BackendNetwork]:
        return networks_asked(self.backends.values())[backend.host]

    def _repair(
        self,
        lease: Lease,
        backend: Backend,
        seen: Comparison,
        found: Sequence[Finding],
        before: datetime,
    ) -> Iterator[Discrepancy]:
        """Remove what is provably nobody's and older; tells what is gone."""
        old = {item.key for item in found if item.first_seen <= before}
        due = [item for item in seen.discrepancies if item.key in old]
        yield from self._servers(lease, backend, seen, due)
        yield from self._parts(lease, backend, due)

    def _collect(
        self,
        backend: Backend,
        network: BackendNetwork,
        found: Sequence[Finding],
        before: datetime,
        asked: Sequence[datetime],
    ) -> Iterator[Discrepancy]:
        """Remove what is nobody's of a network, if two looks saw it and no server may use it.

        What a share server of nobody has is not nobody's while that is there: each backend
        of whatever host must have been looked at since, or since somebody asked for it.
        """
        first_seen = {item.key: item.first_seen for item in found}
        try:
            going = _going(self.db, network, before)
            if not first_seen.keys() >= set(going or ()):
                return
            # Of what a plugin does not name beforehand only the least age is known.
            since = [before] if going is None else [first_seen[key] for key in going]
            if since and self._may_be_used(backend, network, min([max(since), *asked])):
                return
            lines = bound.collect(network.plugin, self.db, before)
        except NetworkError as error:
            log.warning("orphans_not_collected", section=network.section, error=str(error))
            return
        yield from map(_orphan, lines)

    def _may_be_used(self, backend: Backend, network: BackendNetwork, since: datetime) -> bool:
        with self.db.read() as tx:
            unsure = audits.unsure(tx, since, but=[backend.host])
        if unsure:
            log.warning("orphans_kept", section=network.section, unsure=unsure)
        return bool(unsure)

    def _servers(
        self, lease: Lease, backend: Backend, seen: Comparison, due: Collection[Discrepancy]
    ) -> Iterator[Discrepancy]:
        """Share servers of nobody; never while there are data of nobody: they may be on them."""
        if any(map(_strange_data, seen.discrepancies)):
            return
        for item in filter(_strange_server, due):
            lease.check()
            if self._has_row(backend, item.resource_id):
                continue
            try:
                backend.driver.remove_server(Server(id=item.resource_id, project_id=""))
            except DriverError as error:
                log.warning("not_repaired", kind=item.kind, what=item.resource_id, error=str(error))
            else:
                with lease.write() as tx:
                    findings.repaired(tx, backend.host, [item])
                yield item

    def _mend(
        self, lease: Lease, backend: Backend, seen: Comparison, found: Collection[Finding]
    ) -> Iterator[Discrepancy]:
        """Have the share servers looked at that lack parts without data; tells which parts.

        What is still not there at the next audit is found anew.
        """
        driver: object = backend.driver
        known = {item.key for item in found}
        lost = {item.key: item for item in seen.discrepancies if item.key in known}
        lost = {key: item for key, item in lost.items() if _lost_part(item)}
        if not lost or not isinstance(driver, Inspects):
            return
        try:
            odd = [item for item in driver.oddities() if _key(item) in lost and not item.holds_data]
        except DriverError as error:
            log.warning("not_repaired", backend=backend.name, error=str(error))
            return
        with lease.write() as tx:
            rows = share_servers.find(tx, {"host": backend.host})
            by_key = {item.identifier or item.id: item for item in rows}
            keys = {str(item.of) for item in odd} & by_key.keys()
            keys = {key for key in keys if is_needed(tx, by_key[key].id)}
            mended = [item for item in odd if item.of in keys]
            for key in sorted(keys):
                server = by_key[key]
                look_at_server(tx, server.id, server.host, server.project_id)
        yield from {_key(item): lost[_key(item)] for item in mended}.values()

    def _has_row(self, backend: Backend, key: str) -> bool:
        """True if it is being taken over just now."""
        with self.db.read() as tx:
            servers = share_servers.find(tx, {"host": backend.host})
        return any(key in {item.id, item.identifier} for item in servers)

    def _parts(
        self, lease: Lease, backend: Backend, due: Collection[Discrepancy]
    ) -> Iterator[Discrepancy]:
        """Parts of nobody that hold no data."""
        driver: object = backend.driver
        if not isinstance(driver, Inspects) or not due:
            return
        old = {item.key: item for item in due}
        try:
            for oddity in driver.oddities():
                item = old.get(_key(oddity))
                if item is None or oddity.missing or oddity.holds_data:
                    continue
                lease.check()
                if driver.discard(oddity):
                    yield item
        except DriverError as error:
            log.warning("not_repaired", backend=backend.name, error=str(error))


def _admit(
    lease: Lease, backend: Backend, seen: Comparison, found: Collection[Finding]
) -> list[Discrepancy]:
    """Have the rules of shares applied that two looks saw were not those in force; tells which."""
    known = {item.key for item in found}
    due = [item for item in seen.discrepancies if item.kind == ACCESS_RULE and item.key in known]
    if not due:
        return []
    with lease.write() as tx:
        return access_audit.apply_again(tx, backend.host, due)


def _settled(audit: Audit | None, suspected: datetime | None) -> bool:
    """True if nothing that the first look after the request suspected is open any more."""
    if audit is None or audit.wanted_at is None or suspected is None:
        return suspected is None
    looked = audit.finished_at is not None and audit.finished_at >= audit.wanted_at
    return looked and audit.finished_at is not None and suspected > audit.finished_at


def _key(oddity: Oddity) -> tuple[str, str, str]:
    missing = Direction.MISSING_IN_WORLD if oddity.missing else Direction.MISSING_IN_LEDGER
    return oddity.kind, oddity.name, str(missing)


def _lost_part(item: Discrepancy) -> bool:
    return item.direction is Direction.MISSING_IN_WORLD and not item.holds_data


def _strange_server(item: Discrepancy) -> bool:
    return (item.kind, item.direction) == STRANGE_SERVER


def _left(seen: Comparison, done: Collection[Discrepancy]) -> bool:
    """True if there are share servers that nobody knows."""
    return any(item not in done for item in filter(_strange_server, seen.discrepancies))


def _strange_data(item: Discrepancy) -> bool:
    return item.holds_data and item.direction is Direction.MISSING_IN_LEDGER


def _orphan(line: str) -> Discrepancy:
    return Discrepancy(kind=NETWORK, resource_id=line, direction=Direction.MISSING_IN_LEDGER)


def _going(
    db: Database, network: BackendNetwork, before: datetime
) -> list[tuple[str, str, str]] | None:
    """What would be collected, as findings know it; None if the plugin does not say."""
    plugin = network.plugin
    if not isinstance(plugin, ShowsOrphans):
        return None
    return [findings.key_of(_orphan(line)) for line in bound.orphans(plugin, db, before)]


class AuditClock:
    """Has the backends of one manager audited when it is time; several managers may do so."""

    def __init__(self, db: Database, hosts: Collection[str], options: ManagerOptions) -> None:
        self._db = db
        self._hosts = list(hosts)
        self._options = options
        self._begun = time.monotonic()
        self._first = set(hosts)
        """Those that were not audited since this manager started."""

    def tick(self) -> list[str]:
        """Ask for what is due; returns for which backends."""
        with self._db.read() as tx:
            asked = queue.alive(tx, TaskKind.AUDIT)
            due = [host for host in self._hosts if self._due(tx, host)]
        if due:
            with self._db.write(AUDIT) as tx:
                for host in due:
                    enqueue_audit(tx, host, unless=asked)
            self._first -= set(due)
        return due

    def _due(self, tx: Tx, host: str) -> bool:
        """The interval is over; or something suspected is to be looked at again."""
        options, stamp = self._options, now()
        audit = audits.get(tx, host)
        finished_at = None if audit is None else audit.finished_at
        suspected = findings.first_suspected(tx, host)
        if suspected is not None:
            # Of who can't be asked nothing is confirmed, however often that is tried.
            since = suspected if finished_at is None else max(suspected, finished_at)
            return since <= stamp - timedelta(seconds=options.confirm_seconds)
        if not options.audit_seconds:
            return False
        if host in self._first:
            soon = min(options.audit_seconds, options.first_audit_seconds)
            return time.monotonic() - self._begun >= soon
        every = timedelta(seconds=options.audit_seconds)
        return finished_at is None or finished_at <= stamp - every
