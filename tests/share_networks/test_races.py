"""Share networks under way: published, taken back, deleted, designated while shares are made.

On a real database, by API processes of their own connections: requests at the
same time, with a share manager that works meanwhile.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, select

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db import share_types
from abaca.db.database import Database
from abaca.db.tables import (
    allocations,
    share_instances,
    share_networks,
    share_servers,
    shares,
    tasks,
)
from abaca.drivers.fake import FakeDriver
from abaca.drivers.fake_world import FakeWorld
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.manager.reports import Reporter
from abaca.model.quota import DEFAULT_LIMITS
from abaca.modes import DriverMode
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkOptions
from api.conftest import ByName, Client
from support.control_plane import ZONE
from support.databases import empty

FAST = ManagerOptions(
    work=WorkOptions(
        threads=4, stop_seconds=60, retry=RetryOptions(first=0.01, longest=0.1, jitter=0.01)
    ),
    supervise_seconds=1,
)
WHO = {"red": "alice", "blue": "bob", "ops": "admin"}
POLICY = Policy(RULES)
SETTINGS = ApiSettings(default_share_type="silver", quota_limits=dict.fromkeys(DEFAULT_LIMITS, -1))


@dataclass
class Site:
    """APIs on one database, and a managed backend of fakes."""

    url: str
    driver: FakeDriver = field(default_factory=lambda: FakeDriver(DriverMode.MANAGED))
    cloud: FakeCloud = field(default_factory=FakeCloud)

    def __post_init__(self) -> None:
        self.dbs = [Database(self.url), Database(self.url)]
        for db in self.dbs:
            if db.is_sqlite:
                # No power fails here; waiting for the disk is most of what a request takes.
                event.listen(db.engine, "connect", _without_waiting)
        self.dbs[0].create_schema()
        self.clients = [Client(db, make_app(db, SETTINGS, ByName(), POLICY)) for db in self.dbs]
        cidrs = [ip_network("10.99.0.0/24")]
        self.backend = Backend(
            name="one",
            host="node1@one",
            mode=DriverMode.MANAGED,
            driver=self.driver,
            plugin=FakePlugin(cidrs, DriverMode.MANAGED, self.cloud, makes=True),
            network_section="net-one",
            availability_zone=ZONE,
        )
        self.begin()

    def begin(self) -> None:
        """A share manager that reports, and share type ``silver``, which needs a share network."""
        specs = {"driver_handles_share_servers": "True"}
        with self.dbs[0].write() as tx:
            share_types.create(
                tx, name="silver", description=None, is_public=True, extra_specs=specs
            )
        Reporter(db=self.dbs[0], backends=[self.backend]).report()

    def reset(self) -> None:
        """As new: nothing in the database, and nothing outside."""
        empty(self.dbs[0])
        self.driver.world = FakeWorld()
        self.cloud.ports.clear()
        self.cloud.networks.clear()
        self.begin()

    def close(self) -> None:
        """Close the connections."""
        for db in self.dbs:
            db.close()

    def call(self, who: str, method: str, path: str, body: Any = None, *, by: int = 0) -> Any:
        """An answer, which is never a fault of ours."""
        answer = self.clients[by].call(who, method, f"/v2{path}", version="2.65", body=body)
        assert answer.status_code < 500, answer.text
        return answer

    def network(self, project: str = "red", *, public: bool = False) -> str:
        """A new share network; its ID."""
        body = {"share_network": {"name": "n"}}
        answer = self.call(WHO[project], "POST", "/share-networks", body)
        network_id = str(answer.json["share_network"]["id"])
        if public:
            assert self.publish(network_id, public=True).status_code == 200
        return network_id

    def publish(self, network_id: str, *, public: bool, by: int = 0) -> Any:
        """Publish it, or take it back."""
        body = {"share_network": {"is_public": public}}
        return self.call("admin", "PUT", f"/share-networks/{network_id}", body, by=by)

    def share(self, project: str, network_id: str | None = None, *, by: int = 0) -> Any:
        """Ask for a share."""
        wanted: dict[str, Any] = {"size": 1, "share_proto": "NFS"}
        if network_id is not None:
            wanted["share_network_id"] = network_id
        return self.call(WHO[project], "POST", "/shares", {"share": wanted}, by=by)

    def designate(self, network_id: str, *, by: int = 0) -> Any:
        """Make it the default."""
        body = {"default_share_network": {"share_network_id": network_id}}
        return self.call("admin", "PUT", "/share-networks/default", body, by=by)

    def delete(self, network_id: str, *, by: int = 0) -> Any:
        """Delete it."""
        return self.call("admin", "DELETE", f"/share-networks/{network_id}", by=by)

    def delete_share(self, share_id: str, *, by: int = 0) -> Any:
        """Delete a share, whoever's it is."""
        return self.call("admin", "DELETE", f"/shares/{share_id}", by=by)

    @contextmanager
    def managed(self) -> Iterator[None]:
        """A share manager works inside the block."""
        manager = ShareManager(self.dbs[0], [self.backend], FAST)
        manager.start()
        yield
        assert manager.stop()

    def until_idle(self) -> None:
        """Wait for the last task."""
        deadline = time.monotonic() + 60
        while True:
            with self.dbs[0].read() as tx:
                if tx.scalar(select(tasks.c.id)) is None:
                    return
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def settle(self) -> None:
        """All that was asked is done; nothing more exists than what there are rows for."""
        with self.managed():
            self.until_idle()
        self.check_world()

    def check_world(self) -> None:
        """Servers and addresses outside are those of the rows: none twice, none lost."""
        with self.dbs[0].read() as tx:
            servers = set(tx.execute(select(share_servers.c.id)).scalars())
            c = allocations.c
            held = Counter(map(tuple, tx.execute(select(c.share_server_id, c.subnet_key))))
            made = set(
                tx.execute(select(share_instances.c.id).where(share_instances.c.made)).scalars()
            )
        claims = [port.claim for port in self.cloud.ports if port.claim]
        found = Counter((claim.owner, claim.subnet) for claim in claims)
        assert set(found.values()) <= {1}, "an address twice"
        assert found == held, "an address without a row, or a row without an address"
        assert set(self.driver.world.servers) == {owner for owner, _ in held} <= servers
        assert set(self.driver.world.shares) == made

    def check_rows(self) -> None:
        """What holds after every request."""
        with self.dbs[0].read() as tx:
            networks = {row.id: row for row in tx.execute(select(share_networks))}
            servers = {row.id: row for row in tx.execute(select(share_servers))}
            placed = tx.execute(
                select(
                    shares.c.project_id,
                    shares.c.effective_share_network_id,
                    share_instances.c.share_server_id,
                ).join(share_instances, share_instances.c.share_id == shares.c.id)
            ).all()
        defaults = [row for row in networks.values() if row.default_slot is not None]
        assert len(defaults) <= 1
        assert all(row.is_public and row.status == "active" for row in defaults)
        keys = [
            (row.host, row.project_id, row.share_network_id, row.availability_zone)
            for row in servers.values()
            if row.slot is not None
        ]
        assert len(keys) == len(set(keys)), "a share server twice"
        for share in placed:
            network = networks[share.effective_share_network_id]
            assert network.status == "active"
            assert network.is_public or network.project_id == share.project_id
            server = servers[share.share_server_id]
            assert (server.project_id, server.share_network_id) == (share.project_id, network.id)


def _without_waiting(dbapi: Any, _entry: object) -> None:
    dbapi.execute("PRAGMA synchronous = OFF")


@contextmanager
def site_on(url: str) -> Iterator[Site]:
    """A site, until the block ends."""
    site = Site(url)
    yield site
    site.close()


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """One for the test."""
    with site_on(database_url) as found:
        yield found


def together(*actions: Callable[[], Any]) -> list[int]:
    """Do them at the same time; the status codes, in their order."""
    gate = Barrier(len(actions))

    def one(action: Callable[[], Any]) -> int:
        gate.wait()
        return int(action().status_code)

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(one, actions))


ROUNDS = 25


def test_a_first_server_is_made_once(site: Site) -> None:
    """Creates at the same time on a new share network share one share server with one address."""
    networks = [site.network() for _ in range(8)]
    with site.managed():
        for network in networks:
            codes = together(
                *(lambda by=by, it=network: site.share("red", it, by=by % 2) for by in range(6))
            )
            assert codes == [200] * 6
        site.until_idle()
    site.check_rows()
    site.check_world()
    with site.dbs[0].read() as tx:
        found = list(tx.execute(select(share_servers.c.share_network_id)).scalars())
    assert sorted(found) == sorted(networks)
    assert len(site.cloud.ports) == len(networks)


def test_deleted_while_a_share_is_put_on_it(site: Site) -> None:
    """One of the two wins: a share on a network that stays, or a network that is gone."""
    stay, seen = set(), []
    for number in range(ROUNDS):
        network, by = site.network(), number % 2
        lead = (number - ROUNDS // 2) / 300
        """Head start of one or the other, so that each is the first at times."""
        codes = together(
            lambda it=network, n=by, s=lead: late(max(0, s), lambda: site.share("red", it, by=n)),
            lambda it=network, n=by, s=lead: late(max(0, -s), lambda: site.delete(it, by=1 - n)),
        )
        assert codes in ([200, 409], [404, 202])
        seen.append(codes[0])
        if codes[0] == 200:
            stay.add(network)
    assert set(seen) == {200, 404}, "only one of the two was ever the first"
    site.check_rows()
    site.settle()
    with site.dbs[0].read() as tx:
        used = list(tx.execute(select(shares.c.effective_share_network_id)).scalars())
        assert set(tx.execute(select(share_networks.c.id)).scalars()) == stay
        assert set(tx.execute(select(share_instances.c.status)).scalars()) == {"available"}
    assert sorted(used) == sorted(stay), "one share on each that stays, none anywhere else"


def late(seconds: float, action: Callable[[], Any]) -> Any:
    """Do it so many seconds from now."""
    time.sleep(seconds)
    return action()


def test_taken_back_while_another_project_uses_it(site: Site) -> None:
    """One of the two wins: a share on a public network, or a network of its project alone."""
    for number in range(ROUNDS):
        network, by = site.network(public=True), number % 2
        codes = together(
            lambda it=network, n=by: site.share("blue", it, by=n),
            lambda it=network, n=by: site.publish(it, public=False, by=1 - n),
        )
        assert codes in ([200, 409], [404, 200])
    site.check_rows()
    site.settle()


def test_a_default_that_moves(site: Site) -> None:
    """Whatever default a share finds it is on it, public; two designations leave one default."""
    first, second = site.network(public=True), site.network("blue", public=True)
    site.designate(first)
    for number in range(ROUNDS):
        by = number % 2
        codes = together(
            lambda n=by: site.share("red", by=n),
            lambda n=by: site.designate(second, by=1 - n),
            lambda n=by: site.designate(first, by=n),
            lambda n=by, it=number % 3 > 0: site.publish(second, public=it, by=1 - n),
        )
        assert codes[0] == 200
        assert codes[2] == 200
        assert {codes[1], codes[3]} <= {200, 409}
        site.check_rows()
        site.publish(second, public=True)
    site.settle()


def test_all_at_once_with_a_share_manager(site: Site) -> None:
    """Threads that do anything at random while a manager works: nothing twice, nothing lost."""
    networks = [site.network(project, public=True) for project in ("red", "blue", "ops")]
    site.designate(networks[2])

    def user(seed: int) -> None:
        dice, mine, by = random.Random(seed), [], seed % 2  # noqa: S311 - a game, no secret
        for _ in range(25):
            network = dice.choice(networks)
            match dice.choice(["share", "share", "default", "remove", "publish", "designate"]):
                case "share" | "default" as what:
                    project = dice.choice(["red", "blue"])
                    asked = network if what == "share" else None
                    answer = site.share(project, asked, by=by)
                    assert answer.status_code in {200, 400, 404}
                    mine += [answer.json["share"]["id"]] if answer.status_code == 200 else []
                case "remove" if mine:
                    assert site.delete_share(mine.pop(), by=by).status_code == 202
                case "publish":
                    public = dice.random() < 0.6
                    code = site.publish(network, public=public, by=by).status_code
                    assert code in {200, 409}
                case "designate":
                    assert site.designate(network, by=by).status_code in {200, 409}
        for share in mine:
            assert site.delete_share(share, by=by).status_code == 202

    with site.managed():
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(user, range(6)))
        site.until_idle()
    site.check_rows()
    site.check_world()
    assert not site.cloud.ports
    assert not site.driver.world.servers
    site.call("admin", "DELETE", "/share-networks/default")
    assert [site.delete(network).status_code for network in networks] == [202, 202, 202]
