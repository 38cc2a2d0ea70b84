"""Other processes' workers are told at once where the database can, and never need it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest
from psycopg import Connection, Notify
from sqlalchemy import text

from abaca.db.database import Database
from abaca.work.doorbell import Doorbell
from abaca.work.notices import CHANNEL, Listener
from support.databases import Databases
from support.task_queue import HERE, Queue


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    """A database that passes notices on."""
    with databases.one("postgresql") as found:
        yield found


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """The listener's connections to it."""
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def others(url: str) -> Iterator[Database]:
    """Connections as those of another process."""
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def bell() -> Doorbell:
    """Rung by the listener."""
    return Doorbell()


@pytest.fixture(autouse=True)
def listener(db: Database, bell: Doorbell) -> Iterator[Listener]:
    """One that has begun."""
    made = Listener(db, [HERE], bell, retry_seconds=0.1)
    made.start()
    until(lambda: bell.rings)
    yield made
    made.stop()


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return once it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.01)


def test_what_others_queue_is_heard(others: Database, bell: Doorbell) -> None:
    """The bell is not the one that queueing rings in this process: only the database rings it."""
    before = bell.rings
    Queue(others).put("share1")
    until(lambda: bell.rings > before)


def test_what_it_queued_itself_is_not(
    db: Database, others: Database, bell: Doorbell, listener: Listener
) -> None:
    """Its doorbell rang with the commit: after the notice it would look for nothing."""
    before = bell.rings
    Queue(db).put("share1")
    Queue(others).put("share2")
    until(lambda: bell.rings > before)
    listener.stop()  # once it has heard all that was said
    assert bell.rings == before + 1


@dataclass(frozen=True)
class Heard:
    """A connection that listens, and is told of one notice."""

    session_id: int
    """Of the session that it came from."""

    def notifies(self, *, timeout: float) -> Iterator[Notify]:
        """That one."""
        assert timeout
        yield Notify(CHANNEL, HERE, self.session_id)


def test_the_id_of_a_session_that_ended_is_anybodys(
    db: Database, bell: Doorbell, listener: Listener
) -> None:
    """The database gives it to the next session, of another process: that one's notices ring."""
    listener.stop()
    Queue(db).put("share1")
    with db.read() as tx:
        session_id = tx.scalar(text("SELECT pg_backend_pid()"))
    before = bell.rings
    listener._hear(cast("Connection", Heard(session_id)))
    assert bell.rings == before, "it is not the session that the notice went out from"
    db.engine.dispose()
    listener._hear(cast("Connection", Heard(session_id)))
    assert bell.rings == before + 1


def test_what_is_for_others_or_for_later_is_not(
    others: Database, bell: Doorbell, listener: Listener
) -> None:
    """Managers are not woken for another backend's work, nor for work that is not due."""
    before = bell.rings
    Queue(others).put("share1", to="node2@b1")
    Queue(others).put("share2", delay=60)
    Queue(others).put("share3")
    until(lambda: bell.rings > before)
    listener.stop()  # once it has heard all that was said
    assert bell.rings == before + 1


def test_a_lost_connection_is_made_again(db: Database, others: Database, bell: Doorbell) -> None:
    """After the database cut it off the listener rings, for whatever came meanwhile, and hears."""
    before = bell.rings
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
    with db.write() as tx:
        assert tx.scalar(text(end)) is True
    until(lambda: bell.rings > before)
    before = bell.rings
    Queue(others).put("share1")
    until(lambda: bell.rings > before)
