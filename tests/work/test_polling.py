"""What wakes workers, and how often they look at the queue where nothing does."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from sqlalchemy import event

from abaca.observe import metrics
from abaca.work import queue
from abaca.work.doorbell import doorbell
from abaca.work.lease import Lease
from abaca.work.worker import EAGER_SECONDS
from support.task_queue import FAST, Gate, Queue, Script

RARELY = replace(FAST, poll_seconds=30.0)


def test_soon_after_some_work_there_is_more(tasks: Queue) -> None:
    """What another process queues then is found long before the next regular look."""
    tasks.work(Script(), options=RARELY)
    tasks.put("first")
    tasks.until_empty()
    tasks.put("later", delay=3600)
    tasks.set("later", due_at=0.0)  # without the bell that queueing rings
    tasks.until_empty(RARELY.poll_seconds / 2)


def test_the_pauses_grow(tasks: Queue) -> None:
    """A queue where nothing happens is looked at less and less often, never less than asked."""
    looks: list[float] = []
    pool = tasks.work(Script(), options=RARELY)
    tasks.put("first")
    tasks.until_empty()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM tasks" in statement:
            looks.append(statement)

    event.listen(tasks.db.engine, "before_cursor_execute", note)
    begun = time.monotonic()
    tasks.until(lambda: looks and pool._pause > 20 * EAGER_SECONDS)
    # A look is two statements.
    assert len(looks) / 2 < (time.monotonic() - begun) / EAGER_SECONDS / 2
    often = tasks.work(Script(), options=replace(FAST, poll_seconds=2 * EAGER_SECONDS))
    tasks.until(lambda: often._pause == 2 * EAGER_SECONDS)


def test_the_first_thread_that_is_idle_again_takes_what_waits(tasks: Queue) -> None:
    """Also one that began when others were idle: what came while all worked is not left waiting."""
    gates = {"first": Gate(), "second": Gate()}

    def body(lease: Lease) -> None:
        if (gate := gates.get(lease.resource_id)) is not None:
            gate()

    script = Script(body=body)
    tasks.work(script, options=replace(RARELY, threads=2))
    tasks.put("first")
    assert gates["first"].reached.wait(60)
    tasks.put("third", delay=3600)
    tasks.put("second")
    assert gates["second"].reached.wait(60)
    tasks.set("third", due_at=0.0)  # without the bell that queueing rings
    gates["first"].open.set()
    within = RARELY.poll_seconds / 2
    tasks.until(lambda: "third" in [item.resource_id for item in script.runs], within)
    assert not gates["second"].open.is_set()
    gates["second"].open.set()
    tasks.until_empty()


@pytest.mark.every_database
def test_what_is_queued_while_another_task_ends_is_looked_at(tasks: Queue) -> None:
    """Whoever is woken for it may look too early, and is woken by that end again."""
    tasks.put("first", lane="server")
    (task,) = tasks.claim()
    with tasks.db.write() as tx:
        queue.finish(tx, task)
        if not tasks.db.is_sqlite:  # which has one writer at a time
            tasks.put("second", lane="server")
            assert [item.resource_id for item in tasks.claim()] == []
        rings = doorbell.rings
    if tasks.db.is_sqlite:
        tasks.put("second", lane="server")
    assert doorbell.rings > rings
    assert [item.resource_id for item in tasks.claim()] == ["second"]


def takeovers(reason: str) -> float:
    """How many there were in this process."""
    (family,) = metrics.lease_takeovers.collect()
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels == {"reason": reason}
    )


def test_within_one_lease_the_work_of_a_dead_host_is_done(tasks: Queue) -> None:
    """Nobody breaks that lease but time: not at once, and not much later; it is counted."""
    before, seconds = takeovers("expired"), 2.0
    tasks.put("a")
    script = Script()
    began = time.monotonic()
    (dead,) = tasks.claim(worker="elsewhere", lease_seconds=seconds)
    tasks.work(script, options=FAST)
    tasks.until(lambda: bool(script.runs), FAST.lease_seconds)
    assert time.monotonic() - began >= 0.9 * seconds
    assert [item.lease_token for item in script.runs] == [dead.lease_token + 2]
    assert takeovers("expired") == before + 1
