"""The share manager of one process: serves its backends' tasks, and looks after what it made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

import structlog
import tenacity

from abaca.db import findings, messages
from abaca.db.database import Database
from abaca.errors import DatabaseUnavailable
from abaca.manager import recycle_bin
from abaca.manager.address_watch import AddressWatch
from abaca.manager.audit import AuditClock, AuditHandler
from abaca.manager.backend import Backend
from abaca.manager.options import ManagerOptions
from abaca.manager.reports import Reporter
from abaca.manager.share import ShareHandler
from abaca.manager.share_server import ServerHandler
from abaca.manager.snapshot import SnapshotHandler
from abaca.manager.supervision import Supervisor
from abaca.model.task import TaskKind
from abaca.network.plugin import AddressPool
from abaca.steps import commit
from abaca.work.handler import Handler
from abaca.work.identity import worker_name
from abaca.work.worker import WorkerPool

log = structlog.get_logger()
NETWORKS_EVERY = 3
"""In reports: how often network plugins are asked whether they can give out addresses."""
PURGE = commit("messages.purge")
ADDRESSES_EVERY = 6
"""In reports: how often it is looked whether addresses run short."""
TICK_SECONDS = 5.0


def _patiently(action: Callable[[], object]) -> None:
    """Do it, again if other managers that start at the same moment were in its way."""
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(DatabaseUnavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        stop=tenacity.stop_after_attempt(5),
        reraise=True,
    ):
        with attempt:
            action()


class ShareManager:
    """Serves the backends from `start` until `stop`."""

    def __init__(
        self,
        db: Database,
        backends: Sequence[Backend],
        options: ManagerOptions | None = None,
        address_pools: Callable[[], Collection[AddressPool]] = tuple,
    ) -> None:
        self._options = options or ManagerOptions()
        self._db = db
        self._backends = list(backends)
        by_host = {item.host: item for item in backends}
        idle = self._options.share_server_idle_seconds
        handlers: dict[TaskKind, Handler] = {
            TaskKind.SHARE: ShareHandler(db=db, backends=by_host, idle_seconds=idle),
            TaskKind.SHARE_SERVER: ServerHandler(db=db, backends=by_host, idle_seconds=idle),
            TaskKind.SNAPSHOT: SnapshotHandler(db=db, backends=by_host),
            TaskKind.AUDIT: AuditHandler(db=db, backends=by_host, options=self._options),
        }
        self._pool = WorkerPool(
            db,
            worker=worker_name(self._backends[0].node if self._backends else ""),
            queues=list(by_host),
            handlers=handlers,
            options=self._options.work,
        )
        self._reporter = Reporter(db=db, backends=self._backends)
        self._clock = AuditClock(db, by_host, self._options)
        self._supervisor = Supervisor(db=db, backends=self._backends)
        self._addresses = AddressWatch(db=db, known=address_pools)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the drivers and report their pools; then work, in threads of its own.

        Raises DriverError with what to install or grant.
        """
        for backend in self._backends:
            backend.driver.start()
            log.info("backend_started", backend=backend.name, mode=str(backend.mode))
        _patiently(self._supervisor.resume)
        _patiently(self._reporter.report)
        _patiently(self._pool.start)
        self._repeat("abaca-reports", self._options.report_seconds, self._reporter.report)
        asking = NETWORKS_EVERY * self._options.report_seconds
        self._repeat("abaca-networks", asking, self._reporter.ask_networks, at_once=True)
        looking = ADDRESSES_EVERY * self._options.report_seconds
        self._repeat("abaca-addresses", looking, self._addresses.look)
        self._repeat("abaca-supervision", self._options.supervise_seconds, self._supervise)
        self._repeat("abaca-sweep", self._options.sweep_seconds, self._sweep)
        tick = min(TICK_SECONDS, self._options.confirm_seconds)
        self._repeat("abaca-audit", tick, self._clock.tick)

    def stop(self) -> bool:
        """Stop working; False if work was left under way (the next start goes on with it)."""
        self._stopping.set()
        done = self._pool.stop()
        deadline = time.monotonic() + self._options.work.stop_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return done

    def _supervise(self) -> None:
        self._pool.bury()
        self._supervisor.check()
        recycle_bin.empty(self._db, [item.host for item in self._backends])
        recycle_bin.end_transfers(self._db)

    def _sweep(self) -> None:
        self._supervisor.sweep()
        with self._db.write(PURGE) as tx:
            messages.purge(tx)
            findings.purge(tx)

    def _repeat(
        self, name: str, seconds: float, action: Callable[[], object], *, at_once: bool = False
    ) -> None:
        def body() -> None:
            pause = 0.0 if at_once else seconds
            while not self._stopping.wait(pause):
                pause = seconds
                try:
                    action()
                except Exception:
                    log.exception("periodic_work_failed", what=name)

        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)
