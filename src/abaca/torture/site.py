"""A place where Abaca works: a database, managers that may be killed, and what they make."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import text

from abaca.db import migrate
from abaca.db.database import Database
from abaca.db.engine import IDLE_SECONDS
from abaca.errors import DatabaseUnavailable
from abaca.model.share import Share
from abaca.modes import DriverMode
from abaca.share import share_types
from abaca.steps import FAULT_VARIABLE, SIGNAL_VARIABLE, TRACE_VARIABLE
from abaca.torture import ledger
from abaca.torture.asking import Tenant
from abaca.torture.nursery import ARMS, LOG, NUDGE, Birth, Nursery, alive, end, paused
from abaca.torture.outage import SWITCH

LOG_CHARACTERS = 6000
_OTHERS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid != pg_backend_pid() AND xact_start IS NOT NULL "
    "AND backend_type = 'client backend'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx "
    "WHERE trx_mysql_thread_id != connection_id()",
}
"""Transactions of others, on each kind of server."""
DISARMED = dict.fromkeys((FAULT_VARIABLE, SIGNAL_VARIABLE, TRACE_VARIABLE))


class Wrong(AssertionError):
    """Something is not as it should be: stuck, leaked or lost."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


class World(Protocol):
    """What the drivers made, looked at without them."""

    def census(self) -> Counter[str]:
        """How many things there are of each kind."""

    def strays(self) -> list[str]:
        """What exists that no row accounts for, one line each."""

    def write(self, share: Share, name: str) -> None:
        """Leave data in a share that is exported: a file of this name, with a content of its own.

        OSError if it can't be.
        """

    def reboot(self, setting: Setting) -> None:
        """What a reboot of the backend's host does, while no manager runs."""

    def names(self, share: Share) -> set[str]:
        """The files whose content is right; AssertionError for one that is damaged."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A backend, and how to ask for a share on it."""

    backend: str
    mode: DriverMode
    tenant_networks: tuple[str, ...] = ()
    """Networks that every project has there, for subnets that name one."""


@dataclass(kw_only=True)
class Site:
    """Managers on one database and one world; one of them at a time unless said otherwise."""

    folder: Path
    db: Database
    nursery: Nursery
    world: World
    settings: tuple[Setting, ...]
    configure: Callable[[Mapping[str, str]], str]
    """The configuration file's text, with these options of the backends instead."""
    patience: float = IDLE_SECONDS + 30.0
    """Seconds after which what has not ended is stuck: later than a database ends the transaction
    of somebody who sleeps in one."""
    lease_seconds: float = 5.0
    processes: list[int] = field(default_factory=list)
    deaths: int = 0
    """How often a manager was found dead since the last `start`."""
    _may_die: set[int] = field(default_factory=set)
    """Processes that are to meet a fault."""
    _handles: dict[int, int] = field(default_factory=dict)
    """By process: what stands for it, though its number may be another's later."""
    overrides: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    """A share per backend that is there all the time, with data in it."""

    def prepare(self) -> None:
        """Tables, and share types named after the backends."""
        (self.folder / "state").mkdir(exist_ok=True)
        migrate.upgrade(self.db)
        self.start()
        self.settle()
        for setting in self.settings:
            share_types.create(
                self.db,
                name=setting.backend,
                description=None,
                is_public=True,
                specs={
                    "driver_handles_share_servers": setting.mode.has_share_servers,
                    "driver_mode": str(setting.mode),
                    "share_backend_name": setting.backend,
                    "snapshot_support": True,
                    "revert_to_snapshot_support": True,
                    "create_share_from_snapshot_support": True,
                },
            )

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "abaca.conf"

    def start(self, faults: Mapping[str, str] | None = None) -> int:
        """Start a manager, which may be told to meet a fault; its process ID at once."""
        # At once: the one that was started before may be reading it.
        beside = self.config.with_suffix(".new")
        beside.write_text(self.configure(self.overrides))
        beside.replace(self.config)
        process = self.nursery.start(
            Birth(
                config=str(self.config),
                folder=str(self.folder),
                environment=faults or {},
                lease_seconds=self.lease_seconds,
            )
        )
        self.processes.append(process)
        with suppress(ProcessLookupError):
            self._handles[process] = os.pidfd_open(process)
        if faults:
            self._may_die.add(process)
        self.deaths = 0
        return process

    def arm(self, process: int, faults: Mapping[str, str | None]) -> None:
        """Tell a running manager the fault that it is to meet (`disarmed`: none).

        One that stops at the fault that it was told before goes on.
        """
        self._may_die.discard(process)
        if faults.get(FAULT_VARIABLE):
            self._may_die.add(process)
        file = self.folder / ARMS
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(dict(faults)))
        beside.replace(file)
        os.kill(process, signal.SIGUSR2)
        deadline = time.monotonic() + self.patience
        while file.exists() and alive(process):
            if time.monotonic() > deadline:
                raise Wrong("stuck", f"process {process} does not take its arms\n{self.log()}")
            if paused(process):
                os.kill(process, signal.SIGCONT)
            time.sleep(0.001)
        file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Kill every manager."""
        for process in list(self.processes):
            end(process)
            self._forget(process)

    def restart(self, faults: Mapping[str, str] | None = None) -> None:
        """Kill what runs, and start one."""
        self.stop()
        self.start(faults)

    def revive(self) -> None:
        """Start a manager in place of each that has died."""
        dead = [item for item in self.processes if not alive(item)]
        deaths = self.deaths + len(dead)
        for process in dead:
            self._forget(process)
            self.start()
        self.deaths = deaths

    def is_up(self) -> bool:
        """True if every manager has started; a paused one counts."""
        return all((self.folder / f"up.{item}").exists() for item in self.processes)

    def settle(self, *, revive: bool = True) -> None:
        """Return when all is at rest, whatever happened to the managers meanwhile."""
        deadline, pause = time.monotonic() + self.patience, 0.005
        self._nudge()
        while True:
            if revive:
                self.revive()
            rest = self.unsettled()
            if not rest and self.is_up():
                if self._may_die:
                    time.sleep(0.03)  # the last commit may be the one at which it dies
                if not (revive and any(not alive(item) for item in self.processes)):
                    return
            if time.monotonic() > deadline:
                said = rest or ["no manager has started"]
                if self.locked():
                    said.append("somebody is in the middle of a transaction")
                raise Wrong("stuck", "\n".join([*said, self.log()]))
            time.sleep(pause)
            pause = min(pause * 1.3, 0.04)

    def _nudge(self) -> None:
        """What was just asked for is seen at once."""
        for handle in self._handles.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, NUDGE)

    def _forget(self, process: int) -> None:
        self.processes.remove(process)
        self._may_die.discard(process)
        if (handle := self._handles.pop(process, None)) is not None:
            os.close(handle)

    def unsettled(self) -> list[str]:
        """As `ledger.unsettled`; a database that does not answer is not at rest."""
        try:
            return ledger.unsettled(self.db)
        except DatabaseUnavailable as error:
            return [str(error)]

    def locked(self) -> bool:
        """True if somebody is in the middle of a transaction now, which may hold locks."""
        if self.db.is_sqlite:
            # A lock of somebody who is stopped is not waited for.
            with closing(sqlite3.connect(str(self.db.engine.url.database), timeout=0)) as probe:
                try:
                    probe.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    return True
            return False
        # MariaDB's table is as it was when it was last looked at, for a tenth of a second.
        time.sleep(0 if self.db.kind == "postgresql" else 0.15)
        with self.db.read() as tx:
            return bool(tx.scalar(text(_OTHERS[self.db.kind])))

    def await_death(self, seconds: float = 0.3) -> bool:
        """True if a manager was killed by its fault; it is alive again, and all at rest."""
        deadline = time.monotonic() + seconds
        while not self.deaths and time.monotonic() < deadline:
            self.revive()
            time.sleep(0.005)
        if self.deaths:
            deaths = self.deaths
            self.settle()
            self.deaths = deaths
        return bool(self.deaths)

    @contextmanager
    def network_down(self) -> Iterator[None]:
        """Inside, no network plugin answers."""
        switch = self.folder / SWITCH
        switch.touch()
        try:
            yield
        finally:
            switch.unlink()

    def census(self) -> Counter[str]:
        """Everything that there is, in the ledger and in the world."""
        return ledger.census(self.db) + self.world.census()

    def tenant(self, project: str, *, admin: bool = False) -> Tenant:
        """Somebody who asks."""
        return Tenant(self.db, project, admin)

    def log(self) -> str:
        """What the managers said last."""
        file = self.folder / LOG
        return file.read_text(errors="replace")[-LOG_CHARACTERS:] if file.exists() else ""
