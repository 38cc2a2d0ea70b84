"""Kill -9 of the whole service at every named step, with real share servers.

On SQLite at all of them; on another kind of database at those outside of the driver, which
alone read and write it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.exceptions import ClientException, ConnectFailure
from requests.exceptions import RequestException
from sqlalchemy import select

import abaca.drivers.linux
import abaca.manager.manager
import abaca.network.standalone  # noqa: F401 - these register the steps, as the service does
from abaca import steps
from abaca.config import load
from abaca.db.database import Database
from abaca.db.tables import addresses, allocations
from abaca.demo import leftovers, nfs
from support.databases import main

pytestmark = [pytest.mark.dataplane, pytest.mark.slow]

BACKEND = "direct"
GANESHA = "ganesha.nfsd"
DEAD = (ConnectFailure, ClientException, RequestException, ConnectionError)
OWNERS = {"share", "server", "network", "snapshot"}
ELSEWHERE = ("adopt", "forget", "leave", "transfer")
"""Steps of what this life does not do: tests/crash and tests/linux_driver have them."""
STEPS = [
    name
    for name in steps.names()
    if name.split(".")[0] in OWNERS and name.split(".")[1] not in ELSEWHERE
]
TRIED = [
    name
    for name in STEPS
    if main() == "sqlite" or not steps.function_of(name).startswith("abaca.drivers.")
]
"""Those at which the service is killed on the database of this run."""


class Life:
    """A share's whole life, on a service that may die at any moment and is started again."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.client = site.clients["alice"]
        self.name = secrets.token_hex(4)
        self.deaths = 0

    def ask(self, action: Callable[[], object]) -> None:
        """One request; if the service dies meanwhile, what was asked may or may not be recorded."""
        try:
            action()
        except DEAD:
            self.revive()

    def look(self, action: Callable[[], Any]) -> Any:
        """One reading, on the service that lives."""
        while True:
            try:
                return action()
            except DEAD:
                self.revive()

    def revive(self) -> None:
        """Start the service again, once it is really dead."""
        self.site.service.wait_for_death(10)
        self.deaths += 1
        self.site.service.start()

    def share(self) -> Any:
        """The share, or None."""
        found = self.look(lambda: self.client.shares.list(search_opts={"name": self.name}))
        return found[0] if found else None

    def until(self, key: str, wanted: str) -> Any:
        """The share once its ``key`` is ``wanted``."""
        self.site.until(lambda: getattr(self.share(), key) == wanted, f"{key} is {wanted}")
        return self.share()

    def run(self) -> None:
        """Create, allow, write, snapshot, extend, revert, shrink, deny, delete."""
        self.ask(lambda: self.site.share(BACKEND, name=self.name))
        if self.share() is None:
            self.site.share(BACKEND, name=self.name)
        share = self.until("status", "available")
        self.nothing_is_there_twice()
        address = self.site.alice.address(BACKEND)
        self.ask(lambda: self.client.shares.allow(share, "ip", address, "rw"))
        self.until("access_rules_status", "active")
        export = self.look(lambda: self.site.export(share))
        wrote = nfs.write(self.site.alice, export, "kept", secrets.token_bytes(2000))
        self.snapshot(share)
        for action, size in ((share.extend, 2), (share.shrink, 1)):
            self.ask(lambda action=action, size=size: action(size))
            self.site.until(
                lambda size=size: (self.share().size, self.share().status) == (size, "available"),
                f"size is {size}",
            )
        assert nfs.read(self.site.alice, export, "kept") == wrote
        self.nothing_is_there_twice()
        self.ask(share.delete)
        self.site.until(lambda: self.share() is None, "the share is deleted")

    def nothing_is_there_twice(self) -> None:
        """One share server, with one address on its network, one namespace and one Ganesha."""
        (server,) = self.look(self.site.clients["admin"].share_servers.list)
        config = load((self.site.service.config,), ())
        with closing(Database(config.service.database_url)) as db, db.read() as tx:
            held = [(row.share_server_id, row.addresses) for row in tx.execute(select(allocations))]
            ledger = [(row.owner, row.address) for row in tx.execute(select(addresses))]
        assert [(owner, len(given)) for owner, given in held] == [(server.id, 1)]
        assert ledger == [(server.id, given[0]) for _, given in held]
        names = leftovers.server_namespaces(self.site.root)
        (name,) = [name for name in names if not name.endswith("-switch")]
        assert name.endswith(server.id)
        commands = [_argv(pid) for pid in leftovers.processes(self.site.root)]
        assert len([argv for argv in commands if Path(argv[0]).name == GANESHA]) == 1, commands

    def snapshot(self, share: Any) -> None:
        """Take one, revert to it, delete it."""
        snapshots = self.client.share_snapshots
        self.ask(lambda: snapshots.create(share, name=self.name))
        mine = {"name": self.name}
        self.site.until(
            lambda: (
                [s.status for s in self.look(lambda: snapshots.list(search_opts=mine))]
                == ["available"]
            ),
            "the snapshot is available",
        )
        snapshot = self.look(lambda: snapshots.list(search_opts=mine))[0]
        self.ask(lambda: self.client.shares.revert_to_snapshot(share, snapshot))
        self.until("status", "available")
        self.ask(snapshot.delete)
        self.site.until(
            lambda: not self.look(lambda: snapshots.list(search_opts=mine)), "snapshot deleted"
        )


def _argv(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return [""]


@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize("name", TRIED)
def test_killed_at_this_step_the_service_finishes_the_work(site: Any, name: str) -> None:
    """The service dies at the step, is started again, and everything accepted comes to its end."""
    site.service.stop()
    before = site.world()
    site.service.start(ABACA_FAULT=f"{name}:before")
    life = Life(site)
    life.run()
    site.until(lambda: not life.look(site.clients["admin"].share_servers.list), "server removed")
    site.until(lambda: not site.tasks(), "no task is left")
    site.service.stop()
    assert life.deaths == 1, f"{name} was never reached"
    assert site.world() == before


def test_steps_are_many() -> None:
    """At least twelve steps of server set-up and removal, share create and delete are named."""
    chosen = [
        name
        for name in STEPS
        if name.split(".")[0] in {"share", "server"} and name.split(".")[1] in {"create", "delete"}
    ]
    assert len(chosen) >= 12, chosen
