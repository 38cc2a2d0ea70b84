"""A Galera cluster, to whose nodes different processes write at the same time.

It asks for none of the databases of a test run, so only the run on SQLite has it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from sqlalchemy import select, update

from abaca.db import migrate, share_servers, tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database, Tx
from abaca.errors import AbacaError, DatabaseUnavailable
from abaca.model.quota import DEFAULT_LIMITS, Resource
from abaca.network.plugin import Claim, Label
from abaca.share import public_networks, share_networks, shares, snapshots
from abaca.share.choices import Defaults
from abaca.share.create import NewShare, create
from abaca.share.snapshots import NewSnapshot
from abaca.testing.galera import GaleraNode, cluster
from abaca.work.lease import Lease
from support.databases import empty
from support.deployment import Deployment
from support.share_world import ADMIN, BLUE, RED, World
from support.task_queue import Queue, Script
from support.tenants import at_work, end_well, set_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TENANTS = 4
SECONDS = 4
SETTLE_SECONDS = 120
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[GaleraNode]]:
    """Two, of which the second may be killed."""
    with cluster() as found:
        yield found


@pytest.fixture(scope="module")
def urls(nodes: list[GaleraNode]) -> list[str]:
    """One database, on each node. Both ends migrate it at the same time."""
    name = nodes[0].create().partition("?")[0].rpartition("/")[2]
    found = [node.url(name) for node in nodes]
    with ThreadPoolExecutor(len(found)) as threads:
        assert sorted(threads.map(_upgraded, found)) == [False, True]
    return found


def _upgraded(url: str) -> bool:
    db = Database(url)
    done = migrate.upgrade(db)
    db.close()
    return done


@pytest.fixture
def dbs(urls: list[str]) -> Iterator[list[Database]]:
    """The empty database, by way of each node."""
    made = [Database(url) for url in urls]
    empty(made[0])
    yield made
    for db in made:
        db.close()


def persistently(action: Callable[[], object]) -> object:
    """As whoever asks does: a transaction that was refused is tried again."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return action()
        except DatabaseUnavailable:
            assert time.monotonic() < limit
            time.sleep(0.01)


def test_what_one_node_committed_the_others_show(dbs: list[Database]) -> None:
    """Whoever was answered by one API sees it at the next one, and can change it there."""
    for number in range(200):
        writer, reader = dbs[number % 2], dbs[1 - number % 2]
        name = f"zone{number}"
        with writer.write() as tx:
            values = {"id": name, "name": name, "created_at": tables.now()}
            tx.execute(tables.availability_zones.insert().values(values))
        column = tables.availability_zones.c
        with reader.read() as tx:
            assert tx.scalar(select(column.id).where(column.id == name)) == name
        change = update(tables.availability_zones).where(column.id == name)
        with reader.write() as tx:
            assert tx.execute(change.values(name=f"{name}x")).rowcount == 1


def test_no_address_twice(dbs: list[Database]) -> None:
    """Taken and given back by way of both nodes: each has one owner, and all are given."""
    ledgers = [DatabaseLedger(db) for db in dbs]
    ranges = [(IPv4Address("10.0.0.10"), IPv4Address("10.0.0.41"))]

    def live(number: int) -> IPv4Address:
        """The address of one that came after another one had gone."""
        ledger = ledgers[number % 2]
        for owner in (f"first{number}", f"second{number}"):
            claim = Claim(owner=owner, label=Label.USER, subnet="s", index=0)
            got = persistently(
                lambda it=claim: ledger.take("pool", ranges, (), [it], rest_seconds=0)[it]
            )
            if owner.startswith("first"):
                persistently(lambda it=claim: ledger.give_back([it]))
        assert isinstance(got, IPv4Address)
        return got

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(live, range(32)))
    assert len(set(found)) == 32
    with dbs[1].read() as tx:
        rows = tx.execute(select(tables.addresses.c.address)).scalars().all()
        left = tx.execute(select(tables.address_gaps)).all()
    assert sorted(rows) == sorted(map(str, found))
    assert left == []


def test_no_task_twice(dbs: list[Database]) -> None:
    """Workers on each node: each request is worked on once, and each lane by one at a time."""
    running: Counter[str] = Counter()
    clashes: list[str] = []

    def body(lease: Lease) -> None:
        running[lease.task.lane] += 1
        if running[lease.task.lane] > 1:
            clashes.append(lease.task.lane)
        time.sleep(0.005)
        running[lease.task.lane] -= 1

    queues, script = [Queue(db) for db in dbs], Script(body=body)
    for number, queue in enumerate(queues):
        queue.work(script, worker=f"worker{number}")
    try:
        for number in range(60):
            queue = queues[number % 2]
            persistently(lambda it=queue, n=number: it.put(f"r{n}", lane=f"lane{n % 20}"))
        queues[0].until_empty(PATIENCE_SECONDS)
    finally:
        for queue in queues:
            queue.stop()
    done = Counter(item.resource_id for item in script.runs)
    assert clashes == []
    assert done == Counter(f"r{number}" for number in range(60))
    assert {item.worker for item in script.runs} == {"worker0", "worker1"}


Act = Callable[[Tx], object]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two requests of which one is refused once the other one was accepted."""

    first: Act
    second: Act


def snapshot_of_what_goes(world: World) -> Pair:
    """A share is deleted while a snapshot of it is asked for."""
    share = finished(world)
    return Pair(
        first=lambda tx: snapshots.create(tx, RED, NewSnapshot(share_id=share)),
        second=lambda tx: shares.delete(tx, RED, share),
    )


def clone_of_what_goes(world: World) -> Pair:
    """A snapshot is deleted while a share is to be made from it."""
    with world.db.write() as tx:
        snapshot = snapshots.create(tx, RED, NewSnapshot(share_id=finished(world))).id
        tx.execute(update(tables.snapshot_instances).values(status="available"))
    wanted = NewShare(share_proto="NFS", size=1, snapshot_id=snapshot)
    return Pair(
        first=lambda tx: create(tx, RED, wanted, Defaults()),
        second=lambda tx: snapshots.delete(tx, RED, snapshot),
    )


def share_on_what_goes(world: World) -> Pair:
    """A share network is deleted while a share is put on it."""
    network = world.names["red_net"]
    return Pair(
        first=lambda tx: create(tx, RED, on(network), Defaults()),
        second=lambda tx: share_networks.delete(tx, RED, network),
    )


def share_on_what_is_taken_back(world: World) -> Pair:
    """A public share network is taken back while another project puts a share on it."""
    network = world.names["public_net"]

    def take_back(tx: Tx) -> None:
        found = share_networks.managed(tx, ADMIN, network)
        public_networks.set_public(tx, ADMIN, found, public=False)

    return Pair(
        first=lambda tx: create(tx, BLUE, on(network), Defaults()),
        second=take_back,
    )


def share_on_a_server_that_goes(world: World) -> Pair:
    """An empty share server is removed while a share is put on it."""
    with world.db.write() as tx:
        share = create(tx, RED, on(world.names["red_net"]), Defaults())
        shares.delete(tx, RED, share.id)
        for table in (tables.share_instances, tables.shares):
            tx.execute(table.delete())
        server = share.instance.share_server_id
        assert server is not None
        share_servers.activate(tx, server, {})
        assert share_servers.mark_unused(tx, server)

    def condemn(tx: Tx) -> None:
        if not share_servers.condemn(tx, server):
            raise AbacaError("a share is on it")

    def put(tx: Tx) -> None:
        made = create(tx, RED, on(world.names["red_net"]), Defaults())
        if made.instance.share_server_id != server:
            raise AbacaError("that server is no longer in use")

    return Pair(first=put, second=condemn)


def the_last_of_a_quota(_world: World) -> Pair:
    """Two shares are asked for where one more is allowed."""
    limits = {**DEFAULT_LIMITS, Resource.SHARES: 1}
    wanted = NewShare(share_proto="NFS", size=1)

    def one(tx: Tx) -> object:
        return create(tx, RED, wanted, Defaults(share_type="gold", limits=limits))

    return Pair(first=one, second=one)


def on(network: str) -> NewShare:
    """A share on this network."""
    return NewShare(share_proto="NFS", size=1, share_type="silver", share_network_id=network)


def finished(world: World) -> str:
    """The ID of a share that is available."""
    share = world.create()
    with world.db.write() as tx:
        tx.execute(update(tables.share_instances).values(status="available", made=True))
    return share.id


PAIRS = (
    snapshot_of_what_goes,
    clone_of_what_goes,
    share_on_what_goes,
    share_on_what_is_taken_back,
    share_on_a_server_that_goes,
    the_last_of_a_quota,
)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("prepare", PAIRS, ids=lambda item: item.__name__)
def test_of_two_that_exclude_each_other_one_commits(
    dbs: list[Database], prepare: Callable[[World], Pair], first: int
) -> None:
    """Neither sees the other before both commit: one is refused, and again when it asks again."""
    pair = prepare(World(dbs[0]).set_up())
    acts = (pair.first, pair.second)
    jobs = [(dbs[0], acts[first]), (dbs[1], acts[1 - first])]
    ready = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        accepted = list(threads.map(lambda job: committed(*job, ready), jobs))
    assert sorted(accepted) == [False, True], "both were accepted, or neither"
    db, refused = jobs[accepted.index(False)]
    with pytest.raises(AbacaError) as found:
        persistently(lambda: transacted(db, refused))
    assert not isinstance(found.value, DatabaseUnavailable)


def committed(db: Database, act: Act, ready: Barrier) -> bool:
    """False if the database refused it; it commits when the other one has come as far."""
    try:
        with db.write() as tx:
            act(tx)
            with suppress(BrokenBarrierError):  # the other one was refused before it came here
                ready.wait(PATIENCE_SECONDS)
    except DatabaseUnavailable:
        ready.abort()
        return False
    return True


def transacted(db: Database, act: Act) -> None:
    """In a transaction of its own."""
    with db.write() as tx:
        act(tx)


@pytest.mark.usefixtures("dbs")  # what other tests left goes
def test_a_node_dies_under_load(nodes: list[GaleraNode], urls: list[str], tmp_path: Path) -> None:
    """An API and a manager on each node; one node is killed, and comes back: nothing is lost."""
    made = Deployment(tmp_path, urls[0], {"api2": urls[1], "manager2": urls[1]})
    try:
        for name in ("api1", "api2"):
            made.start(name)
        for name in ("manager1", "manager2"):
            made.start(name)
            made.until_working(name)
        tenants = set_up(made, TENANTS)
        with at_work(tenants, SECONDS):
            pass
        second = made.urls.pop()  # nobody asks there while its database is away
        with at_work(tenants, SECONDS):
            nodes[1].kill()
        nodes[1].start()
        made.urls.append(second)
        with at_work(tenants, SECONDS / 2):
            pass
        assert made.ended() == []
        accepted, grown = end_well(made, tenants, SETTLE_SECONDS)
    finally:
        made.stop()
        nodes[1].start()
    print(f"Galera: {accepted} shares accepted, {grown} grown; 0 stuck, 0 twice, 0 left")  # noqa: T201 - the result
