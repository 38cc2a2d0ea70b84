"""What the database counts for monitoring, on each kind of it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from abaca.db import figures
from abaca.db.address_usage import usage
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ForeignAddresses
from abaca.model.task import TaskKind
from abaca.network.plugin import Claim, Label
from abaca.observe.figures import Everything
from abaca.work import queue

pytestmark = pytest.mark.every_database


def test_tasks_by_what_they_wait_for(db: Database):
    """For a worker, an attempt under way, another one, or a time; and leases that ran out."""
    ids = {"waiting": "a", "running": "b", "retrying": "c", "later": "d", "late": "e"}
    with db.write() as tx:
        for name, resource in ids.items():
            queue.enqueue(
                tx,
                TaskKind.SHARE,
                resource,
                queue="h@b",
                lane=resource,
                project_id="p",
                request_id="r",
                delay=60 if name == "later" else 0,
            )
    with db.write() as tx:
        found = {task.resource_id: task.id for task in queue.every(tx)}
        taken = [found[ids["running"]], found[ids["retrying"]]]
        tasks = queue.claim(tx, taken, worker="w", lease_seconds=30)
        queue.claim(tx, [found[ids["late"]]], worker="w", lease_seconds=-1)
        again = next(task for task in tasks if task.resource_id == ids["retrying"])
        queue.retry_later(tx, again, "no", 60)
    with db.read() as tx:
        seen = figures.read(tx)
    assert seen.tasks == {
        ("share", "waiting"): 1,
        ("share", "running"): 2,
        ("share", "retrying"): 1,
        ("share", "later"): 1,
    }
    assert set(seen.oldest_waiting) == {"share"}
    assert seen.leases_expired == 1


def test_addresses_by_section(db: Database):
    """Every free, used and resting address of a pool is counted once, for its section."""
    ledger = DatabaseLedger(db)
    first, last = ip_address("10.0.0.1"), ip_address("10.0.0.10")
    claims = [Claim(owner=f"s{n}", label=Label.USER, subnet="net", index=0) for n in range(3)]
    for pool in ("flat:net/4", "tenant:vlan:x:7/10.0.0.0/28"):
        taken = {"ranges": [(first, last)], "reserved": [first], "rest_seconds": 600}
        ledger.take(pool, claims=claims, **taken)
    ledger.give_back(claims[:1])
    with db.read() as tx:
        found = figures.read(tx).addresses
    for section in ("net", "tenants"):
        states = {state: number for (name, state), number in found.items() if name == section}
        assert states == {"used": 2, "resting": 1, "free": 6, "reserved": 1}


def test_metrics_and_usage_agree(db: Database):
    """`abaca network usage` says the same, of whatever state and in both IP versions."""
    ledger, foreign = DatabaseLedger(db), ForeignAddresses(db)
    for pool, base in (("flat:net/4", "10.0.0."), ("flat:net/6", "fd00::")):
        ranges = [(ip_address(f"{base}1"), ip_address(f"{base}9"))] * 2
        reserved = [ip_address(f"{base}2"), ip_address(f"{base}99")]
        claims = [Claim(owner=f"s{n}", label=Label.USER, subnet=pool, index=0) for n in range(4)]
        ledger.take(pool, ranges, reserved, claims, rest_seconds=600)
        ledger.give_back(claims[:1])
        ledger.forget(claims[1:2])
        foreign.keep_out({pool: {ip_address(f"{base}8"): "printer"}})
    with db.read() as tx:
        found = figures.read(tx).addresses
    told = usage(db, [], others=True)
    for state in ("used", "forgotten", "imported", "reserved"):
        assert found["net", state] == sum(getattr(item, state) for item in told) > 0
    free = found["net", "free"] + found["net", "resting"]
    assert free == sum(item.free for item in told) == 2 * 4


def test_all_of_it_becomes_metrics(db: Database):
    """Each family has its own name, and says zero where there is nothing."""
    families = list(Everything(db).collect())
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    shares = next(family for family in families if family.name == "abaca_shares")
    assert {sample.value for sample in shares.samples} == {0}
