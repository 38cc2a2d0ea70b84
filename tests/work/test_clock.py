"""The clock of leases is set back: nothing waits for the time to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from abaca.db import clock
from abaca.db.database import Database, Tx
from abaca.errors import DatabaseUnavailable
from abaca.work.worker import SET_BACK, WorkerPool
from support.task_queue import FAST, Gate, Queue, Script

pytestmark = pytest.mark.every_database
HOUR = 3600.0


@pytest.fixture(autouse=True)
def _right_again() -> Iterator[None]:
    yield
    clock.jump(0)


def looked_at(pool: WorkerPool) -> float:
    """The clock of leases, as it was when the pool last looked."""
    assert pool._clock is not None
    return pool._clock[0]


def test_before_a_start(tasks: Queue):
    """What was queued by the old time is done by a process that never knew it."""
    tasks.put("a")
    clock.jump(-HOUR)
    script = Script()
    tasks.work(script)
    tasks.until_empty()
    assert [item.resource_id for item in script.runs] == ["a"]


def test_while_it_runs(tasks: Queue):
    """A process that sees the clock go back does not wait either."""
    script = Script()
    pool = tasks.work(script)
    tasks.put("a")
    tasks.until_empty()
    before = looked_at(pool)
    clock.jump(HOUR)
    tasks.put("b", delay=60)
    tasks.until(lambda: looked_at(pool) > before + HOUR / 2)
    clock.jump(0)
    tasks.until_empty()
    assert [item.resource_id for item in script.runs] == ["a", "b"]


def test_leases_of_the_dead_end(tasks: Queue):
    """A lease that was granted by the old time ends as soon as one that is granted now."""
    tasks.put("a")
    (dead,) = tasks.claim()
    tasks.set("a", worker="elsewhere")
    clock.jump(-HOUR)
    script = Script()
    tasks.work(script, options=replace(FAST, lease_seconds=0.5))
    tasks.until_empty()
    # On a slow host the second lease may run out as well.
    assert script.runs[0].lease_token == dead.lease_token + 2


def test_live_leases_stay(tasks: Queue):
    """Work that is under way when the clock goes back is done once."""
    gate = Gate()
    script = Script(body=lambda _lease: gate())
    pool = tasks.work(script)
    tasks.put("a")
    assert gate.reached.wait(60)
    before = looked_at(pool)
    clock.jump(-HOUR)
    tasks.until(lambda: looked_at(pool) < before - HOUR / 2)
    gate.open.set()
    tasks.until_empty()
    assert len(script.runs) == 1


class NoSetBack(Database):
    """Does not commit the first answer to a clock that was set back."""

    refused = 0

    @contextmanager
    def write(self, name: str = "") -> Iterator[Tx]:
        """As ever, but for that one."""
        with super().write(name) as tx:
            yield tx
            if name == SET_BACK and not self.refused:
                self.refused += 1
                raise DatabaseUnavailable("gone for a moment")


def test_what_was_not_written_is_done_again(tasks: Queue, database_url: str):
    """The database fails at that moment: what waits for the old time is found all the same."""
    tasks.put("a")
    clock.jump(-HOUR)
    script = Script()
    with closing(NoSetBack(database_url)) as db:
        other = Queue(db)
        other.work(script)
        other.until_empty()
        other.stop()
        assert db.refused == 1
    assert [item.resource_id for item in script.runs] == ["a"]


def test_what_others_put_off_stays_put_off(tasks: Queue):
    """A pool that starts has its own tasks looked at, and leaves other backends' alone."""
    tasks.put("theirs", to="node2@b1", delay=HOUR)
    tasks.put("mine", delay=HOUR)
    before = {task.resource_id: task.due_at for task in tasks.every()}
    tasks.work(Script())
    tasks.until(lambda: len(tasks.every()) == 1)
    (left,) = tasks.every()
    assert (left.resource_id, left.due_at) == ("theirs", before["theirs"])
