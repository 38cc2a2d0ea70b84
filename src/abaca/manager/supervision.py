"""Looks after what was made: brings back what died or went with a reboot."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy import select

from abaca.db import share_instances, share_servers
from abaca.db import tables as t
from abaca.db.database import Database, Tx
from abaca.errors import AbacaError, NetworkError
from abaca.manager.backend import Backend
from abaca.manager.looks import look_at_server, look_at_share
from abaca.manager.views import server_view
from abaca.model.share import ShareInstance
from abaca.model.share_server import ShareServer
from abaca.model.task import TaskKind
from abaca.network.plugin import LooksAgain
from abaca.states import ServerStatus, ShareStatus
from abaca.steps import commit
from abaca.work import queue

log = structlog.get_logger()
BATCH = 100
SWEEP, LOOK = map(commit, ("supervision.sweep", "supervision.look"))
GONE = frozenset({ShareStatus.ERROR_DELETING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Looks after the backends of one manager."""

    db: Database
    backends: Collection[Backend]

    def resume(self) -> None:
        """Have everything looked at once: nobody knows what happened since the last start."""
        for backend in self.backends:
            with self.db.read() as tx:
                servers = share_servers.find(tx, {"host": backend.host})
                instances = share_instances.of_host(tx, backend.host)
            self._look_at_servers(servers)
            self._look_at_shares(
                item
                for item in instances
                if item.status.in_motion or (item.made and item.share_server_id is None)
            )

    def check(self) -> None:
        """Have what no longer serves ensured again."""
        for backend in self.backends:
            try:
                self._check(backend)
            except AbacaError as error:
                log.warning("servers_not_checked", backend=backend.name, error=str(error))
            except Exception:
                log.exception("servers_not_checked", backend=backend.name)

    def sweep(self) -> None:
        """Have empty servers, those that could not be removed before, and networks looked at."""
        for backend in self.backends:
            with self.db.write(SWEEP) as tx:
                busy = queue.alive(tx, TaskKind.SHARE_SERVER)
                left = [
                    item
                    for item in share_servers.find(tx, {"host": backend.host})
                    if item.id not in busy and share_servers.mark_unused(tx, item.id)
                ]
            self._look_at_servers(left)
            self._look_at_networks(backend)

    @staticmethod
    def _look_at_networks(backend: Backend) -> None:
        for network in backend.networks:
            plugin: object = network.plugin
            if isinstance(plugin, LooksAgain):
                try:
                    plugin.look_again()
                except NetworkError as error:
                    log.warning("network_not_looked_at", section=network.section, error=str(error))

    def _check(self, backend: Backend) -> None:
        if backend.mode.has_share_servers:
            self._check_servers(backend)
        elif self._is_dead(backend, None):
            self._check_shares(backend)

    def _check_servers(self, backend: Backend) -> None:
        with self.db.read() as tx:
            busy = queue.alive(tx, TaskKind.SHARE_SERVER)
            servers = share_servers.find(tx, {"host": backend.host})
        due = [item for item in servers if item.id not in busy and _should_serve(item)]
        dead = [item for item in due if self._is_dead(backend, item)]
        if dead:
            log.warning("share_servers_dead", servers=[item.id for item in dead])
            self._look_at_servers(dead)

    def _is_dead(self, backend: Backend, server: ShareServer | None) -> bool:
        """It does not serve, nobody works on it, and it should serve (None: the backend's own).

        A look during work proves nothing. Nearly all serve: so it is only asked who
        works, right before and right after another look, where the first one found none.
        """
        view = None if server is None else server_view(server)
        return (
            not backend.driver.check_server(view)
            and self._is_at_rest(backend, server)
            and not backend.driver.check_server(view)
            and self._is_at_rest(backend, server)
        )

    def _is_at_rest(self, backend: Backend, server: ShareServer | None) -> bool:
        """Nobody works on it now, and it is still to serve."""
        with self.db.read() as tx:
            lanes = _lanes_at_work(tx, backend.host)
            if server is None:
                return not lanes
            return server.id not in lanes and is_needed(tx, server.id)

    def _check_shares(self, backend: Backend) -> None:
        """The backend's own server does not serve: bring every share back that is on it."""
        with self.db.read() as tx:
            busy = queue.alive(tx, TaskKind.SHARE)
            instances = share_instances.of_host(tx, backend.host)
        dead = [item for item in instances if item.made and item.id not in busy]
        if dead:
            log.warning("backend_server_dead", backend=backend.name, shares=len(dead))
            self._look_at_shares(dead)

    def _look_at_servers(self, servers: Iterable[ShareServer]) -> None:
        for batch in _batches(list(servers)):
            with self.db.write(LOOK) as tx:
                for server in batch:
                    look_at_server(tx, server.id, server.host, server.project_id)

    def _look_at_shares(self, instances: Iterable[ShareInstance]) -> None:
        for batch in _batches([item for item in instances if item.status not in GONE]):
            with self.db.write(LOOK) as tx:
                for instance in batch:
                    look_at_share(tx, instance)


def is_needed(tx: Tx, server_id: str) -> bool:
    """True if the share server is to serve, and there is a share on it.

    Without one it is brought up by whoever makes the first.
    """
    server = share_servers.get(tx, server_id)
    if server is None or not _should_serve(server):
        return False
    return bool(share_instances.on_server(tx, server_id))


def _should_serve(server: ShareServer) -> bool:
    return server.status is ServerStatus.ACTIVE and server.slot is not None


def _lanes_at_work(tx: Tx, host: str) -> set[str]:
    """Lanes of the backend in which a task is worked on; an audit changes no server."""
    column = t.tasks.c
    statement = select(column.running_lane).where(
        column.queue == host,
        column.running_lane.is_not(None),
        column.kind != str(TaskKind.AUDIT),
    )
    return set(tx.execute(statement).scalars())


T = TypeVar("T")


def _batches(items: list[T]) -> Iterable[list[T]]:
    return (items[first : first + BATCH] for first in range(0, len(items), BATCH))
