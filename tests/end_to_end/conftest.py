"""A real service with real share servers on a small network of its own, per test module.

Its database is SQLite. A module that uses ``databases`` is run on each kind.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from abaca.demo import leftovers
from abaca.demo.scenario import SETTINGS, Setting
from abaca.demo.service import CONFIG, Service
from abaca.demo.topology import Machine, Topology
from abaca.errors import CommandFailed
from support.configuration import text_of
from support.databases import Databases
from support.forked_command import ForkedCommand

WAIT_SECONDS = 60


class Commands:
    """`abaca` on the storage host, without its start; from the first use on."""

    def __init__(self, netns: str) -> None:
        self._netns = netns
        self._process: ForkedCommand | None = None

    def run(self, argv: Sequence[str], stdin: str | None) -> str:
        """What it prints; `CommandFailed` if it fails."""
        if self._process is None:
            self._process = ForkedCommand("abaca", self._netns)
        answer = self._process.run(argv, {}, stdin)
        if answer.code:
            raise CommandFailed(["abaca", *argv], answer.code, answer.err)
        return answer.out

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()


@dataclass(slots=True)
class Site:
    """A storage host that runs Abaca, and the machines of two projects."""

    root: Path
    topology: Topology
    service: Service
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def alice(self) -> Machine:
        """The machine of project alice."""
        return self.topology.machines["alice"]

    @property
    def bob(self) -> Machine:
        """The machine of project bob."""
        return self.topology.machines["bob"]

    def share(
        self, backend: str, *, project: str = "alice", size: int = 1, name: str | None = None
    ) -> Any:
        """Ask for a share on a backend (with a share network where needed, one per backend)."""
        setting = next(item for item in SETTINGS if item.backend == backend)
        client = self.clients[project]
        network = self._network(client, setting) if setting.share_network else None
        return client.shares.create(
            "NFS", size, share_type=backend, share_network=network, name=name
        )

    @staticmethod
    def _network(client: Any, setting: Setting) -> Any:
        for network in client.share_networks.list():
            if network.name == setting.backend:
                return network
        name = None if setting.share_network == "any" else setting.share_network
        return client.share_networks.create(
            name=setting.backend, neutron_net_id=name, neutron_subnet_id=name
        )

    def allow(self, share: Any, to: str, *, level: str = "rw", project: str = "alice") -> Any:
        """Add an access rule and wait until the rules are in force."""
        rule = self.clients[project].shares.allow(share, "ip", to, level)
        self.settled(share, "access_rules_status", "active")
        return rule

    def export(self, share: Any, project: str = "alice") -> str:
        """The first export location."""
        return str(self.clients[project].share_export_locations.list(share)[0].path)

    def settled(self, item: Any, key: str = "status", wanted: str = "available") -> Any:
        """The item once ``key`` is ``wanted``; fails if it ends in an error or takes too long."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            item = item.manager.get(item.id)
            value = getattr(item, key)
            if value == wanted:
                return item
            assert "error" not in value, f"{key} is {value}; {self.service.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, (
                f"{key} stays {value}; {self.service.log.read_text()[-3000:]}"
            )
            time.sleep(0.1)

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait for a condition; fails with ``what`` if it takes too long."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not true():
            assert time.monotonic() < deadline, f"not in {WAIT_SECONDS} s: {what}"
            time.sleep(0.1)

    def tasks(self) -> list[Any]:
        """What is not finished."""
        return list(json.loads(self.service.abaca("task", "list", "--format", "json")))

    def world(self) -> set[str]:
        """What exists on the machine and carries this site's name."""
        return leftovers.world(self.root)

    def clear(self) -> None:
        """Delete every share of every project, and wait for the last share server to go."""
        for name in self.topology.machines:
            for snapshot in self.clients[name].share_snapshots.list():
                snapshot.delete()
        client = self.clients["admin"]
        everyone = {"all_tenants": 1}
        self.until(
            lambda: not client.share_snapshots.list(search_opts=everyone), "snapshots deleted"
        )
        for share in client.shares.list(search_opts=everyone):
            share.delete()
        self.until(lambda: not client.shares.list(search_opts=everyone), "shares deleted")
        self.until(lambda: not client.share_servers.list(), "share servers removed")


@pytest.fixture(scope="module")
def site_config() -> str:
    """The service's configuration; a module may have its own."""
    return CONFIG


@pytest.fixture(scope="module")
def beside() -> Callable[[Site], AbstractContextManager[object]]:
    """What runs on the storage host beside Abaca, from before to after; a module may have more."""
    return lambda _site: nullcontext()


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest,
    site_config: str,
    beside: Callable[[Site], AbstractContextManager[object]],
) -> Iterator[Site]:
    """A running service with a share type per backend and two projects."""
    # Were it an argument, every module would be run on each kind of database.
    databases: Databases = request.getfixturevalue("databases")
    with open_site(databases, site_config, beside) as found:
        yield found


@pytest.fixture
def new_site(databases: Databases) -> Callable[..., AbstractContextManager[Site]]:
    """For tests that need several sites, one after the other: `open_site`."""
    return partial(open_site, databases)


@contextmanager
def open_site(
    databases: Databases, config: str, beside: Callable[[Site], AbstractContextManager[object]]
) -> Iterator[Site]:
    """A site until the block ends. ``beside`` may give what texts of ``config`` stand for."""
    with (
        databases.stored() as sections,
        _running(f"{config}\n{text_of(sections)}", beside) as site,
    ):
        yield site


@contextmanager
def _running(
    config: str, beside: Callable[[Site], AbstractContextManager[object]]
) -> Iterator[Site]:
    root = Path("/tmp", f"{leftovers.PREFIX}{secrets.token_hex(3)}")  # noqa: S108 - image files
    leftovers.claim(root)
    topology = Topology(root.name.removeprefix(leftovers.PREFIX), root / "ovs")
    commands = Commands(topology.host)
    service = Service(topology, root, commands.run)
    site = Site(root=root, topology=topology, service=service)
    try:
        topology.build()
        with topology.inside(), closing(commands), beside(site) as known:
            for text, value in (known if isinstance(known, dict) else {}).items():
                config = config.replace(text, value)
            service.prepare(config)
            service.start()
            _log_in(site)
            yield site
    finally:
        service.kill()
        topology.remove()
        leftovers.remove(root)


def _log_in(site: Site) -> None:
    service = site.service
    site.clients["admin"] = service.client("admin", service.admin_password)
    for name in site.topology.machines:
        site.clients[name] = service.client(name, service.add_tenant(name))
    for setting in SETTINGS:
        site.clients["admin"].share_types.create(
            setting.backend,
            setting.mode != "single_svm",
            spec_snapshot_support=True,
            extra_specs={
                "driver_mode": setting.mode,
                "share_backend_name": setting.backend,
                "revert_to_snapshot_support": "True",
                "create_share_from_snapshot_support": "True",
            },
        )
