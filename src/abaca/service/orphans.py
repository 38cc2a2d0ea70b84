"""What network plugins and drivers have for this host's backends that no row knows of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from sqlalchemy import select

from abaca.config import Config
from abaca.db import audits, share_instances, share_servers
from abaca.db import tables as t
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.drivers.driver import Inventory, Server
from abaca.errors import AbacaError
from abaca.manager.backend import Backend, BackendNetwork
from abaca.manager.comparison import networks_asked
from abaca.network import bound
from abaca.network.plugin import ShowsOrphans
from abaca.service.managers import make_backends

BACKEND, SERVER = "backend", "share server"
REMOVED = "removed"


class Repair(Enum):
    """What is removed of that which is found."""

    NOTHING = auto()
    WITHOUT_DATA = auto()
    """No share server of a backend that has shares nobody knows: they may be on it."""
    WITH_DATA = auto()
    """Share servers with the shares on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """One thing that belongs to nobody."""

    backend: str
    kind: str
    """network, share server, share or snapshot"""
    what: str
    state: str
    """found, removed, or why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Looks, and removes what ``repair`` says. Share managers may work meanwhile."""

    config: Config
    db: Database
    age: timedelta
    """Network resources that are younger are left out."""
    repair: Repair

    def run(self) -> list[Orphan]:
        """Everything found, by backend; one that can't be asked is a line of its own.

        First all servers, then their networks: what a server of nobody has stays with it.
        """
        found: dict[str, list[Orphan]] = {}
        backends = make_backends(self.config, self.db)
        for backend in backends:
            found[backend.host] = list(self._asked(backend, self._of_driver(backend)))
        unsure = self._unsure(found)
        for backend in backends:
            for network in networks_asked(backends)[backend.host]:
                lines = self._of_plugin(backend, network, unsure)
                found[backend.host] += self._asked(backend, lines)
        return [item for lines in found.values() for item in lines]

    def _asked(self, backend: Backend, lines: Iterator[Orphan]) -> Iterator[Orphan]:
        try:
            yield from lines
        except AbacaError as error:
            yield _orphan(backend, BACKEND, backend.host, f"not looked at: {error}")

    def _unsure(self, found: Mapping[str, Collection[Orphan]]) -> list[str]:
        """The backends, on any host, that may have share servers of nobody after this."""
        if self.repair is Repair.NOTHING:
            return []
        here = {
            host
            for host, lines in found.items()
            for item in lines
            if item.kind == BACKEND or (item.kind == SERVER and item.state != REMOVED)
        }
        with self.db.read() as tx:
            return sorted({*here, *audits.unsure(tx, now() - self.age, but=found)})

    def _of_plugin(
        self, backend: Backend, network: BackendNetwork, unsure: Sequence[str]
    ) -> Iterator[Orphan]:
        before, plugin = now() - self.age, network.plugin
        if self.repair is not Repair.NOTHING and not unsure:
            for line in bound.collect(plugin, self.db, before):
                yield _orphan(backend, "network", line, REMOVED)
            return
        kept = f"kept: {', '.join(unsure)} may have share servers that nobody knows: audit them"
        if isinstance(plugin, ShowsOrphans):
            for line in bound.orphans(plugin, self.db, before):
                yield _orphan(backend, "network", line, kept if unsure else "found")
        elif unsure:
            yield _orphan(backend, "network", f"[{network.section}]", kept)
        else:
            what = f"[{network.section}]"
            yield _orphan(backend, "network", what, "its plugin can't be asked without --repair")

    def _of_driver(self, backend: Backend) -> Iterator[Orphan]:
        # What is made has its row before: read afterwards, the rows cover all that is here.
        here = backend.driver.inventory()
        known = self._known(backend)
        shares = sorted(here.shares - known.shares)
        for server in sorted(here.servers - known.servers):
            state = self._server(backend, server, holds_data=bool(shares))
            yield _orphan(backend, SERVER, server, state)
        if self.repair is Repair.WITH_DATA and backend.mode.has_share_servers:
            left = backend.driver.inventory()
        else:
            left = here
        for kind, lost, still in (
            ("share", shares, left.shares),
            ("snapshot", sorted(here.snapshots - known.snapshots), left.snapshots),
        ):
            for item in lost:
                kept = "found" if self.repair is Repair.NOTHING else "kept: it may hold data"
                yield _orphan(backend, kind, item, kept if item in still else REMOVED)

    def _server(self, backend: Backend, server: str, *, holds_data: bool) -> str:
        if self.repair is Repair.NOTHING:
            return "found"
        if holds_data and self.repair is not Repair.WITH_DATA:
            return "kept: the backend has shares that nobody knows (--data removes them too)"
        try:
            backend.driver.remove_server(Server(id=server, project_id=""))
        except AbacaError as error:
            return f"not removed: {error}"
        return REMOVED

    def _known(self, backend: Backend) -> Inventory:
        with self.db.read() as tx:
            servers = share_servers.find(tx, {"host": backend.host})
            shares = share_instances.of_host(tx, backend.host)
            snapshots = tx.execute(
                select(t.snapshot_instances.c.id)
                .join(
                    t.share_instances,
                    t.snapshot_instances.c.share_instance_id == t.share_instances.c.id,
                )
                .where(t.share_instances.c.host == backend.host)
            ).scalars()
            return Inventory(
                servers=frozenset(item.identifier or item.id for item in servers),
                shares=frozenset(item.id for item in shares),
                snapshots=frozenset(snapshots),
            )


def _orphan(backend: Backend, kind: str, what: str, state: str) -> Orphan:
    return Orphan(backend=backend.name, kind=kind, what=what, state=state)
