"""Addresses per second from the ledger, however full and large the pool is.

The baseline is what one writes first: read what is taken, take the first address that is
free, again if somebody else was faster. It uses the same table and the same transactions.
"""

from __future__ import annotations

import multiprocessing
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from multiprocessing.synchronize import Barrier

from sqlalchemy import insert, select

from abaca.db import migrate
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.tables import addresses, now
from abaca.errors import DatabaseUnavailable, RowRefused
from abaca.network import ipam
from abaca.network.plugin import Claim, Label
from benchmarks.results import Run
from benchmarks.service import databases

PROCESSES = 8
EVERY = 100
"""In a full pool one address of so many is free, all over it."""
BATCH = 5000
REST_SECONDS = 600
START_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Where addresses are taken from."""

    name: str
    cidr: str
    full: bool

    @property
    def bounds(self) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
        """First and last address."""
        network = ip_network(self.cidr)
        return network[0], network[-1]

    @property
    def reserved(self) -> frozenset[IPv4Address | IPv6Address]:
        """What is never given: network, broadcast, gateway."""
        network = ip_network(self.cidr)
        return ipam.reserved(network, [network[1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process does."""

    url: str
    pool: Pool
    times: int
    naive: bool


def run(run: Run) -> None:
    """Every database, one and several processes."""
    prefix = run.of(16, 20)
    for kind in run.databases:
        run.say(f"  {kind}: making the database, and a pool that is 99 % full")
        with databases(run.folder / kind, kind) as url:
            db = Database(url)
            try:
                migrate.upgrade(db)
                _measure(run, kind, db, url, prefix)
            finally:
                db.close()


def _measure(run: Run, kind: str, db: Database, url: str, prefix: int) -> None:
    empty = Pool(name="empty", cidr=f"10.0.0.0/{prefix}", full=False)
    full = Pool(name="full", cidr=f"10.0.0.0/{prefix}", full=True)
    wide = Pool(name="wide", cidr="fd00::/64", full=False)
    _fill(db, full)
    # The first allocation from a pool makes its gaps; that is told apart from the others.
    first = {pool.name: _first(db, pool) for pool in (empty, full, wide)}
    times = run.of(150, 3)
    for processes in (1, PROCESSES):
        found = {}
        # All that is taken from the full pool is less than what is free in it.
        share = times if processes == 1 else max(1, times // 3)
        for pool in (empty, full, wide):
            naive = _rate(url, pool, run.of(5, 2), processes, naive=True)
            found[pool.name] = _rate(url, pool, share, processes, naive=False)
            filled = "99 % full" if pool.full else "empty"
            run.add(
                f"{kind}, {filled} /{pool.cidr.partition('/')[2]}, {_several(processes)}",
                found[pool.name],
                "1/s",
                baseline=naive,
                against="a first-free scan",
                first_ms=first[pool.name] * 1000,
            )
        run.add(
            f"{kind}, full beside empty /{prefix}, {_several(processes)}",
            found["full"],
            "1/s",
            baseline=found["empty"],
            against="the empty pool",
            target="0.8 to 1.2",
        )


def _several(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"


def _fill(db: Database, pool: Pool) -> None:
    network = ip_network(pool.cidr)
    taken = [
        {
            "pool": pool.name,
            "address": str(network[number]),
            "owner": str(uuid.UUID(int=number)),
            "label": "user",
            "subnet": "bench",
            "index": 0,
            "taken_at": now(),
        }
        for number in range(2, network.num_addresses - 1)
        if number % EVERY
    ]
    for first in range(0, len(taken), BATCH):
        with db.write() as tx:
            tx.execute(insert(addresses), taken[first : first + BATCH])


def _first(db: Database, pool: Pool) -> float:
    begun = time.perf_counter()
    _ledger(db, pool)()
    return time.perf_counter() - begun


def _claim() -> Claim:
    return Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet="bench", index=0)


def _ledger(db: Database, pool: Pool) -> Callable[[], object]:
    ledger = DatabaseLedger(db)
    ranges, reserved = [pool.bounds], pool.reserved
    return lambda: ledger.take(pool.name, ranges, reserved, [_claim()], rest_seconds=REST_SECONDS)


def _scan(db: Database, pool: Pool) -> Callable[[], object]:
    """The baseline."""
    (first, last), reserved = pool.bounds, pool.reserved
    query = select(addresses.c.address).where(addresses.c.pool == pool.name)

    def once() -> None:
        with db.write() as tx:
            taken = {int(ip_address(text)) for text in tx.execute(query).scalars()}
            taken |= {int(item) for item in reserved}
            number = int(first)
            while number in taken:
                number += 1
            if number > int(last):
                raise RuntimeError(f"pool {pool.name} is exhausted")
            claim = _claim()
            tx.execute(
                insert(addresses).values(
                    pool=pool.name,
                    address=str(type(first)(number)),
                    owner=claim.owner,
                    label="user",
                    subnet="bench",
                    index=0,
                    taken_at=now(),
                )
            )

    return once


def _patient(action: Callable[[], object]) -> Callable[[], object]:
    """Again until nobody else was faster."""

    def body() -> None:
        while True:
            try:
                action()
            except (DatabaseUnavailable, RowRefused):
                continue
            return

    return body


def _rate(url: str, pool: Pool, times: int, processes: int, *, naive: bool) -> float:
    """Addresses per second of all processes together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.ipam"])
    ready = context.Barrier(processes)
    spans: multiprocessing.SimpleQueue[tuple[float, float] | str] = context.SimpleQueue()
    job = Job(url=url, pool=pool, times=times, naive=naive)
    workers = [context.Process(target=_work, args=(job, ready, spans)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    found = [spans.get() for _ in workers]
    for worker in workers:
        worker.join()
    if failures := [item for item in found if isinstance(item, str)]:
        raise RuntimeError("; ".join(failures))
    ends = [item for item in found if not isinstance(item, str)]
    elapsed = max(end for _, end in ends) - min(begun for begun, _ in ends)
    return processes * times / elapsed


def _work(
    job: Job, ready: Barrier, spans: multiprocessing.SimpleQueue[tuple[float, float] | str]
) -> None:
    db = Database(job.url)
    try:
        # Connected and with its statements compiled, as a service that runs has it.
        warm = Pool(name=f"warm-{uuid.uuid4().hex}", cidr="10.9.0.0/28", full=False)
        _ledger(db, warm)()
        action = _patient((_scan if job.naive else _ledger)(db, job.pool))
        ready.wait(START_SECONDS)
        begun = time.monotonic()
        for _ in range(job.times):
            action()
        spans.put((begun, time.monotonic()))
    except Exception as failure:  # noqa: BLE001 - told by the one who waits
        ready.abort()
        spans.put(repr(failure))
    finally:
        db.close()
