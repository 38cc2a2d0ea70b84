"""What else may happen while something is asked: to the database, the network, the clock, NFS."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from abaca.db import clock
from abaca.demo import leftovers
from abaca.errors import DatabaseUnavailable
from abaca.linux.command import run
from abaca.states import ShareStatus
from abaca.testing.databases import DatabaseServer
from abaca.torture import volume
from abaca.torture.nursery import CLOCK
from abaca.torture.operations import OPERATIONS
from abaca.torture.outage import READ_ONLY
from abaca.torture.site import Setting, Site, Wrong
from abaca.torture.trial import Trials

HOUR = 3600.0
OUTAGE_SECONDS = 0.6
NAMES = (
    "create", "delete", "extend", "shrink", "allow", "deny", "snapshot", "delete snapshot",
    "revert", "clone", "add subnet", "remove subnet",
)  # fmt: skip
"""Operations during which they happen."""
Ask = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Disaster:
    """Something that happens around a request."""

    name: str
    strike: Callable[[Site, Ask], None]
    """Calls what asks, once and with success; all must end well after it returns."""
    multi: bool = False
    """Only with share servers."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something because of which a request can't be fulfilled."""

    name: str
    attempt: Callable[[Trials, Setting], None]
    """Asks, and sees how it ends: `Wrong` or another AssertionError."""


def tried(trials: Trials, disaster: Disaster | Refusal) -> Iterator[tuple[Setting, str, Ask]]:
    """Every operation in every mode, with what tries it; `Wrong` or another AssertionError."""
    if isinstance(disaster, Refusal):
        for setting in trials.site.settings:
            yield setting, "create", partial(disaster.attempt, trials, setting)
        return
    for name in NAMES:
        operation = next(item for item in OPERATIONS if item.name == name)
        for setting in trials.site.settings:
            if setting.mode in operation.modes and (
                setting.mode.has_share_servers or not disaster.multi
            ):
                yield (
                    setting,
                    name,
                    partial(
                        trials.disturbed, operation, setting, partial(disaster.strike, trials.site)
                    ),
                )


def network_down(site: Site, ask: Ask) -> None:
    """No network plugin answers for a while."""
    with site.network_down():
        ask()
        time.sleep(OUTAGE_SECONDS)


def clock_forward(site: Site, ask: Ask) -> None:
    """The clock of leases jumps ahead: every lease has run out."""
    _clock(site, ask, HOUR)


def clock_back(site: Site, ask: Ask) -> None:
    """The clock of leases is set back: what was due now is due in an hour, as it seems."""
    _clock(site, ask, -HOUR)


def _clock(site: Site, ask: Ask, seconds: float) -> None:
    ask()
    _set_clock(site, seconds)
    try:
        site.settle()
    finally:
        # The next one comes from there, so that the clock never goes back further than it did.
        _set_clock(site, 0)


def _set_clock(site: Site, seconds: float) -> None:
    """For every manager; one that is told late still finds a whole number."""
    beside = site.folder / f"{CLOCK}.new"
    beside.write_text(str(seconds))
    beside.replace(site.folder / CLOCK)
    clock.jump(seconds)
    for process in site.processes:
        os.kill(process, signal.SIGUSR1)


def locked(site: Site, ask: Ask) -> None:
    """Somebody else holds SQLite's only lock."""
    with closing(sqlite3.connect(str(site.db.engine.url.database), timeout=10)) as other:
        ask()
        other.execute("BEGIN IMMEDIATE")
        time.sleep(OUTAGE_SECONDS)
        other.rollback()


def unwritable(site: Site, ask: Ask) -> None:
    """SQLite takes no writes of managers for a while, like a file that is read-only."""
    ask()
    switch = site.folder / READ_ONLY
    switch.touch()
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        switch.unlink()


def nfs_killed(site: Site, ask: Ask) -> None:
    """Every NFS server is killed."""
    ask()
    for process in leftovers.processes(site.folder):
        with suppress(OSError):
            if Path(f"/proc/{process}/comm").read_text().startswith("ganesha"):
                os.kill(process, signal.SIGKILL)
    time.sleep(OUTAGE_SECONDS)


def volume_full(trials: Trials, setting: Setting) -> None:
    """No room for a new share: it is an error, its project is told, and nothing is left of it.

    With room again the next one is made, on the same network.
    """
    site = trials.site
    bench = trials.bench(setting)
    bench.on_network()
    site.settle()
    _flush(site.folder)
    with volume.full(site.folder / "storage"):
        bench.share = bench.new_share()
        site.settle()
        status, told = bench.seen().instance.status, bench.tenant.messages(bench.share)
        if status is not ShareStatus.ERROR or not told:
            raise Wrong("lost", f"share on a full volume: {status}, {told}\n{site.log()}")
        bench.tenant.delete(bench.share)
        site.settle()
        bench.gone(bench.share)
    bench.share = bench.new_share()
    site.settle()
    bench.good(rules=0)
    trials.keeps()
    bench.clear()
    trials.same(trials.base)


def _flush(folder: Path) -> None:
    """What was written so far is in the images: it needs no more room."""
    for point in leftovers.mounts(folder):
        run("sync", "--file-system", point)


def killed(server: DatabaseServer) -> Callable[[Site, Ask], None]:
    """The database server is killed, and started again after a while."""

    def strike(site: Site, ask: Ask) -> None:
        ask()
        server.kill()
        time.sleep(OUTAGE_SECONDS)
        server.start()
        patiently(site.unsettled)

    return strike


def read_only(server: DatabaseServer, kind: str) -> Callable[[Site, Ask], None]:
    """The server takes no writes for a while, like a standby that was taken for it."""

    def strike(site: Site, ask: Ask) -> None:
        name = str(site.db.engine.url.database)
        ask()
        if kind == "mariadb":
            # Not for root; Abaca's user is another one.
            server.run("SET GLOBAL read_only = 1")
            time.sleep(OUTAGE_SECONDS)
            server.run("SET GLOBAL read_only = 0")
            return
        _postgresql(server, name, "SET default_transaction_read_only = on")
        time.sleep(OUTAGE_SECONDS)
        _postgresql(server, name, "RESET default_transaction_read_only")
        site.db.engine.dispose()

    return strike


def site_url(server: DatabaseServer, kind: str) -> str:
    """The URL of a new database on the server; its user is not the server's administrator."""
    url = server.create()
    if kind != "mariadb":
        return url
    server.run("CREATE USER IF NOT EXISTS abaca@localhost")
    server.run("GRANT ALL ON *.* TO abaca@localhost")
    server.run("REVOKE SUPER, READ ONLY ADMIN ON *.* FROM abaca@localhost")
    return url.replace("//root@", "//abaca@")


def _postgresql(server: DatabaseServer, name: str, change: str) -> None:
    server.run(f"ALTER DATABASE {name} {change}")
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 - a name of ours
        f"WHERE datname = '{name}'"
    )


def patiently(look: Callable[[], object]) -> None:
    """Look once; it need not succeed."""
    with suppress(DatabaseUnavailable):
        look()


EVERYWHERE = (
    Disaster(name="network plugin down", strike=network_down, multi=True),
    Disaster(name="clock ahead", strike=clock_forward),
    Disaster(name="clock back", strike=clock_back),
)
ON_SQLITE = (
    Disaster(name="database locked", strike=locked),
    Disaster(name="database read-only", strike=unwritable),
)
ON_LINUX = (Disaster(name="NFS servers killed", strike=nfs_killed),)
ON_VOLUME = (Refusal(name="volume full", attempt=volume_full),)


def of_server(server: DatabaseServer, kind: str) -> tuple[Disaster, ...]:
    """What may happen to a database server."""
    return (
        Disaster(name="database killed", strike=killed(server)),
        Disaster(name="database read-only", strike=read_only(server, kind)),
    )
