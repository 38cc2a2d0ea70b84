"""The queue's SQL: one live task per resource, one per lane, leases that fence."""

from __future__ import annotations

import pytest

from abaca.db.clock import read_clock
from abaca.db.database import Tx
from abaca.errors import LeaseLost
from abaca.model.task import TaskKind
from abaca.work import queue
from abaca.work.identity import dead_workers, worker_name
from abaca.work.lease import Lease
from support.task_queue import HERE, Queue

pytestmark = pytest.mark.every_database


def test_asking_twice_is_one_task(tasks: Queue):
    """A second request bumps the generation, and never puts the task off."""
    tasks.put("a")
    tasks.put("a", delay=60)
    (task,) = tasks.every()
    assert task.generation == 2
    assert [item.resource_id for item in tasks.claim()] == ["a"]


def test_delayed_task_waits_and_a_new_request_hurries_it(tasks: Queue):
    """A delay holds until it is over, or until somebody asks for it now."""
    tasks.put("a", delay=60)
    assert tasks.claim() == []
    with tasks.db.read() as tx:
        later = queue.look(tx, [HERE], [TaskKind.SHARE], 9).next_due
    assert later is not None
    assert 50 < later <= 60
    tasks.put("a")
    assert len(tasks.claim()) == 1


def test_claimed_task_is_nobody_elses(tasks: Queue):
    """What is leased is not ready, for anybody."""
    tasks.put("a")
    assert len(tasks.claim()) == 1
    assert tasks.claim() == []


def test_only_own_queue_is_claimed(tasks: Queue):
    """Tasks of other backends are left to those who serve them."""
    tasks.put("a", to="node2@b1")
    assert tasks.claim() == []


def test_who_comes_too_late_for_one_lane_takes_the_others(tasks: Queue):
    """What another process began on between the look and the claim costs only its own lane."""
    pool = tasks.idle()
    for name in "abc":
        tasks.put(name, lane="server" if name < "c" else "other")
    ids = {item.resource_id: item.id for item in tasks.every()}
    with tasks.db.write() as tx:
        queue.claim(tx, [ids["a"]], worker="faster", lease_seconds=30)
    taken = pool.claim([ids["b"], ids["c"]])
    assert [item.resource_id for item in taken] == ["c"]
    assert {item.resource_id for item in tasks.every() if item.running_lane} == {"a", "c"}


def test_one_live_task_per_lane(tasks: Queue):
    """Two resources on one lane are worked on one after the other."""
    tasks.put("a", lane="server")
    tasks.put("b", lane="server")
    tasks.put("c", lane="other")
    first = tasks.claim()
    assert {item.resource_id for item in first} == {"a", "c"}
    assert tasks.claim() == []
    with tasks.db.write() as tx:
        assert queue.finish(tx, first[0]) is False
    assert [item.resource_id for item in tasks.claim()] == ["b"]


def test_finish_keeps_what_was_asked_for_meanwhile(tasks: Queue):
    """A request during the work leaves the task queued, due now; else it is gone."""
    tasks.put("a")
    (task,) = tasks.claim()
    tasks.put("a")
    with tasks.db.write() as tx:
        assert queue.finish(tx, task) is True
    (task,) = tasks.claim()
    with tasks.db.write() as tx:
        assert queue.finish(tx, task) is False
    assert tasks.every() == []


def test_retry_waits_unless_something_new_was_asked(tasks: Queue):
    """A failed task backs off; a new request makes it due at once, as a first attempt."""
    tasks.put("a")
    tasks.put("b")
    for task in tasks.claim():
        if task.resource_id == "b":
            tasks.put("b")
        with tasks.db.write() as tx:
            queue.retry_later(tx, task, "busy", 60)
    (task,) = tasks.claim()
    assert (task.resource_id, task.attempts) == ("b", 0)
    waiting = next(item for item in tasks.every() if item.resource_id == "a")
    assert (waiting.attempts, waiting.last_error) == (1, "busy")


def test_lost_lease_writes_nothing(tasks: Queue):
    """Whoever lost the lease can't commit: neither data nor the end of the task."""
    tasks.put("a")
    (task,) = tasks.claim()
    lease = Lease(tasks.db, task)
    with tasks.db.write() as tx:
        assert queue.break_leases(tx, ["w"]) == 1
    with pytest.raises(LeaseLost), lease.write():
        tasks.put("never")
    for end in (queue.finish, queue.give_back):
        with pytest.raises(LeaseLost), tasks.db.write() as tx:
            end(tx, task)
    assert len(tasks.claim()) == 1


def test_what_a_lost_lease_stumbles_over_is_that_it_was_lost(tasks: Queue):
    """A conclusion that fails after somebody else took the task: LeaseLost, not its failure."""
    tasks.put("a")
    (task,) = tasks.claim()
    lease = Lease(tasks.db, task)
    with tasks.db.write() as tx:
        assert queue.break_leases(tx, ["w"]) == 1

    def stumble() -> None:
        raise ZeroDivisionError

    with pytest.raises(LeaseLost), lease.conclude():
        stumble()
    with pytest.raises(LeaseLost), lease.conclude():
        pass
    assert not lease.finished
    assert len(tasks.claim()) == 1


def test_who_slept_past_the_lease_looks_before_the_next_step(tasks: Queue):
    """Whoever was not overtaken goes on; whoever was stops, though nobody has told them."""
    tasks.put("a")
    (task,) = tasks.claim()
    lease = Lease(tasks.db, task, seconds=0)
    lease.at("first")
    with tasks.db.write() as tx:
        assert queue.break_leases(tx, ["w"]) == 1
    with pytest.raises(LeaseLost):
        lease.at("second")
    assert lease.lost
    assert lease.step[0] == "first"


def test_who_heard_of_the_lease_of_late_does_not_look(tasks: Queue):
    """A step costs no look at the database, as long as the keeper hears of the lease."""
    tasks.put("a")
    (task,) = tasks.claim()
    lease = Lease(tasks.db, task, seconds=600)
    with tasks.db.write() as tx:
        queue.break_leases(tx, ["w"])
    lease.at("first")
    assert not lease.lost


def test_conclude_is_all_or_nothing(tasks: Queue):
    """A task whose last write fails is not finished."""
    tasks.put("a")
    (task,) = tasks.claim()
    lease = Lease(tasks.db, task)

    def ask_and_fail(tx: Tx) -> None:
        queue.enqueue(
            tx, TaskKind.SHARE, "b", queue=HERE, lane="b", project_id=None, request_id=None
        )
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), lease.conclude() as tx:
        ask_and_fail(tx)
    assert not lease.finished
    assert [item.resource_id for item in tasks.every()] == ["a"]
    with lease.conclude():
        pass
    assert lease.finished
    assert tasks.every() == []


def test_expired_lease_is_taken_over(tasks: Queue):
    """A lease that ran out is broken, its lane is free, and its token no longer counts."""
    tasks.put("a", lane="x")
    tasks.put("b", lane="x")
    (task,) = tasks.claim(lease_seconds=-1)
    with tasks.db.read() as tx:
        assert queue.look(tx, [HERE], [TaskKind.SHARE], 9).expired
    with tasks.db.write() as tx:
        assert queue.break_expired(tx) == 1
    with tasks.db.read() as tx:
        assert not queue.holds(tx, task)
    assert len(tasks.claim()) == 1


def test_times_of_another_boot_mean_nothing(tasks: Queue):
    """After a reboot every delay and every lease of before is over."""
    tasks.put("late", delay=1e6)
    tasks.put("held")
    (held,) = tasks.claim(lease_seconds=1e6)
    tasks.set("late", lease_epoch="another boot")
    tasks.set("held", lease_epoch="another boot")
    with tasks.db.write() as tx:
        assert queue.break_expired(tx) == 1
    assert {item.resource_id for item in tasks.claim()} == {"late", "held"}
    with tasks.db.read() as tx:
        assert not queue.holds(tx, held)


def test_request_after_a_reboot_drops_the_lease_of_before(tasks: Queue):
    """A request does not make a lease of another boot look valid."""
    tasks.put("a")
    tasks.claim(lease_seconds=1e6)
    tasks.set("a", lease_epoch="another boot")
    tasks.put("a")
    assert len(tasks.claim()) == 1


def test_clock_never_goes_back(tasks: Queue):
    """Readings of one epoch are in order."""
    with tasks.db.read() as tx:
        first, second = read_clock(tx), read_clock(tx)
    assert first.epoch == second.epoch
    assert first.now <= second.now


def test_worker_of_a_dead_process_is_known():
    """A process that is gone is dead; this one, and those elsewhere, are not."""
    me = worker_name("host:with:colons")
    head, _, start = me.rpartition(":")
    assert dead_workers([me]) == []
    assert dead_workers([f"{head}:{int(start) + 1}"]) == [f"{head}:{int(start) + 1}"]
    assert dead_workers(["h:another-boot:1:1:1", "nonsense", ""]) == []
