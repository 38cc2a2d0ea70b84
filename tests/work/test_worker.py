"""Workers: what is retried, what is final, and what stops work."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from abaca.db.tables import now
from abaca.errors import BackendUnavailable, DatabaseFault, DatabaseUnavailable, DriverError
from abaca.steps import step
from abaca.work.identity import worker_name
from abaca.work.lease import Lease
from support.task_queue import FAST, Gate, Queue, Script

pytestmark = pytest.mark.every_database


@step("test.pause")
def pause() -> None:
    """A step to be stopped at."""


def test_done_work_is_gone(tasks: Queue):
    """A task whose handler returns is finished."""
    script = Script()
    tasks.work(script)
    tasks.put("a")
    tasks.until_empty()
    assert [item.resource_id for item in script.runs] == ["a"]


def test_new_request_during_the_work_runs_again(tasks: Queue):
    """What is asked for while the work runs is not lost, and not done at the same time."""
    gate = Gate()
    script = Script(body=lambda _lease: gate() if not gate.open.is_set() else None)
    tasks.work(script)
    tasks.put("a")
    assert gate.reached.wait(60)
    tasks.put("a")
    tasks.put("a")
    time.sleep(0.1)
    assert len(script.runs) == 1
    gate.open.set()
    tasks.until_empty()
    assert [item.generation for item in script.runs] == [1, 3]


def test_retriable_errors_are_retried_until_they_pass(tasks: Queue):
    """The storage and the database come back: the work is done, and nobody is told of failure."""
    faults = [BackendUnavailable("down"), DatabaseUnavailable("locked"), BackendUnavailable("down")]

    def body(_lease: Lease) -> None:
        if faults:
            raise faults.pop(0)

    script = Script(body=body)
    tasks.work(script)
    tasks.put("a")
    tasks.until_empty()
    assert [item.attempts for item in script.runs] == [0, 1, 2, 3]
    assert script.failures == []


def test_retriable_errors_are_final_after_the_deadline(tasks: Queue):
    """What does not come back in time, counted from its first attempt, counts as failed."""

    def body(_lease: Lease) -> None:
        raise BackendUnavailable("down")

    script = Script(body=body)
    tasks.work(script, options=replace(FAST, deadline_seconds=600))
    tasks.put("a")
    tasks.until(lambda: len(script.runs) > 1)
    for task in script.runs[:2]:
        assert script.runs[0].started_at is not None
        assert task.deadline == script.runs[0].started_at + timedelta(seconds=600)
    assert script.failures == []
    tasks.set("a", deadline=now())
    tasks.until_empty()
    assert [str(item) for item in script.failures] == ["down"]


def test_other_errors_are_final_at_once(tasks: Queue):
    """A refusal is not tried again."""

    def body(_lease: Lease) -> None:
        raise DriverError("no")

    script = Script(body=body)
    tasks.work(script)
    tasks.put("a")
    tasks.until_empty()
    assert len(script.runs) == 1
    assert [str(item) for item in script.failures] == ["no"]


@pytest.mark.parametrize("kind", [ZeroDivisionError, DatabaseFault])
def test_unexpected_errors_are_tried_some_times(tasks: Queue, kind: type[Exception]):
    """A bug may be a race: it is tried as often as the options say, then final."""

    def body(_lease: Lease) -> None:
        raise kind("oops")

    script = Script(body=body)
    tasks.work(script)
    tasks.put("a")
    tasks.until_empty()
    assert len(script.runs) == 3
    assert [str(item) for item in script.failures] == ["oops"]


def test_failure_to_handle_a_failure_is_retried(tasks: Queue):
    """A release that can't be done now is not forgotten."""
    releases = [BackendUnavailable("down")]

    def body(_lease: Lease) -> None:
        raise DriverError("no")

    def on_failure(_lease: Lease, _error: Exception) -> None:
        if releases:
            raise releases.pop()

    script = Script(body=body, on_failure=on_failure)
    tasks.work(script)
    tasks.put("a")
    tasks.until_empty()
    assert len(script.failures) == 2


def test_superseded_work_stops_at_its_next_step(tasks: Queue):
    """A request that makes the work pointless stops it, and it starts over."""
    steps_done = []

    def body(lease: Lease) -> None:
        if lease.task.generation > 1:
            return
        for number in itertools.count():
            pause()
            steps_done.append(number)
            time.sleep(0.01)

    script = Script(body=body, pointless=lambda _task: True)
    tasks.work(script)
    tasks.put("a")
    tasks.until(lambda: steps_done)
    tasks.put("a")
    tasks.until_empty()
    assert [item.generation for item in script.runs] == [1, 2]
    assert script.failures == []


def test_lost_lease_stops_work_and_leaves_the_task(tasks: Queue):
    """Work whose lease was broken stops at its next step, and says nothing about the task."""
    stopped = threading.Event()

    def body(lease: Lease) -> None:
        if lease.task.lease_token > 1:
            return
        try:
            while True:
                pause()
                time.sleep(0.01)
        finally:
            stopped.set()

    script = Script(body=body)
    tasks.work(script)
    tasks.put("a")
    tasks.until(lambda: script.runs)
    tasks.set("a", lease_token=7, running_lane=None)
    assert stopped.wait(60)
    tasks.until_empty()
    assert script.failures == []


def test_long_work_keeps_its_lease_and_shows_its_step(tasks: Queue):
    """Work that takes longer than a lease is not taken away; people see where it is."""
    gate = Gate()

    def body(_lease: Lease) -> None:
        pause()
        gate()

    script = Script(body=body)
    pool = tasks.work(script)
    tasks.put("a")
    assert gate.reached.wait(60)
    tasks.until(lambda: tasks.every()[0].step == "test.pause")
    (task,) = tasks.every()
    assert task.step_since is not None
    assert task.lease_until is not None
    pool._keeper._extended -= FAST.lease_seconds  # as if that time had passed
    tasks.until(lambda: (tasks.every()[0].lease_until or 0) > task.lease_until)
    assert len(script.runs) == 1
    gate.open.set()
    tasks.until_empty()
    assert len(script.runs) == 1


def test_lanes_run_side_by_side_but_never_twice(tasks: Queue):
    """Tasks of one lane exclude each other; those of different lanes don't wait."""
    running: dict[str, int] = {}
    clashes: list[str] = []
    lock, side_by_side = threading.Lock(), threading.Barrier(3)

    def body(lease: Lease) -> None:
        lane = lease.task.lane
        with lock:
            running[lane] = running.get(lane, 0) + 1
            if running[lane] > 1:
                clashes.append(lane)
        if lease.resource_id in {"r0", "r1", "r2"}:
            side_by_side.wait(60)
        time.sleep(0.01)
        with lock:
            running[lane] -= 1

    tasks.work(Script(body=body))
    for number in range(24):
        tasks.put(f"r{number}", lane=f"lane{number % 3}")
    tasks.until_empty()
    assert clashes == []
    assert not side_by_side.broken


def test_two_pools_never_do_the_same_work(tasks: Queue):
    """Several processes may serve one queue."""
    first, second = Script(), Script()
    tasks.work(first, worker="one")
    tasks.work(second, worker="two")
    for number in range(60):
        tasks.put(f"r{number}")
    tasks.until_empty()
    done = [item.resource_id for item in first.runs + second.runs]
    assert sorted(done) == sorted(f"r{number}" for number in range(60))


def test_stopping_leaves_long_work_behind(tasks: Queue):
    """Stopping waits a bounded time; what is not done stays queued."""
    gate = Gate()
    pool = tasks.work(Script(body=lambda _lease: gate()), options=replace(FAST, stop_seconds=0.1))
    tasks.put("a")
    assert gate.reached.wait(60)
    assert pool.stop() is False
    assert len(tasks.every()) == 1
    gate.open.set()
    tasks.until_empty()


def test_leases_of_dead_workers_are_broken_at_the_start(tasks: Queue):
    """After a crash nobody waits for leases to run out."""
    head, _, start = worker_name("node1").rpartition(":")
    tasks.put("a")
    assert tasks.claim(worker=f"{head}:{int(start) - 1}", lease_seconds=1e6)
    tasks.work(Script())
    tasks.until_empty()
