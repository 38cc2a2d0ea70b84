"""Health: what is asked, what follows from it, and that nobody waits for what hangs."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import falcon
import falcon.testing
import pytest
from sqlalchemy import text, update

from abaca.api.observation import add_observation
from abaca.db import migrate, services
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.db.tables import services as table
from abaca.manager.reports import Reporter
from abaca.modes import DriverMode
from abaca.observe.bounded import MOST_GIVEN_UP, Bounded
from abaca.observe.health import HealthCheck, Verdict
from abaca.testing.wait import until
from support.control_plane import backend

HOSTS = ("n1@one", "n1@two")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as a service finds it."""
    file = tmp_path_factory.mktemp("migrated") / "abaca.sqlite"
    db = Database(f"sqlite:///{file}")
    migrate.upgrade(db)
    db.close()
    return file


@pytest.fixture
def db(database_url: str, migrated: Path) -> Iterator[Database]:
    """A database of its own with two backends that were just seen."""
    db = Database(database_url)
    if db.is_sqlite:
        shutil.copy(migrated, str(db.engine.url.database))
    with db.write() as tx:
        for host in HOSTS:
            services.seen(tx, host, "nova")
    yield db
    db.close()


def silence(db: Database, *hosts: str) -> None:
    """Their managers were last seen long ago."""
    with db.write() as tx:
        before = now() - timedelta(seconds=services.UP_SECONDS + 1)
        tx.execute(update(table).where(table.c.host.in_(hosts)).values(seen_at=before))


def client(db: Database, *, admin: bool) -> falcon.testing.TestClient:
    """The two pages by themselves."""
    app = falcon.App()
    add_observation(app, db, is_admin=None if admin else lambda _: False)
    return falcon.testing.TestClient(app)


def test_all_well(db: Database):
    """Both backends were seen, and nothing complained."""
    health = HealthCheck(db)()
    assert health.verdict is Verdict.OK
    assert [item.backend for item in health.backends] == list(HOSTS)


def test_one_dead_manager_takes_no_api_away(db: Database):
    """Degraded, with its name: load balancers still get a 200, strict monitoring a 503."""
    silence(db, HOSTS[0])
    page = client(db, admin=True).simulate_get("/healthcheck")
    assert page.status_code == 200
    assert page.json["status"] == "degraded"
    assert "not seen for" in page.json["backends"][0]["manager"]
    assert page.json["backends"][1]["ok"]
    assert client(db, admin=True).simulate_get("/healthcheck?strict").status_code == 503


def test_no_manager_alive_is_a_failure(db: Database):
    """Nothing that is accepted would be done."""
    silence(db, *HOSTS)
    assert client(db, admin=False).simulate_get("/healthcheck").status_code == 503


def test_a_disabled_backend_does_not_count(db: Database):
    """What an administrator took out of service may be silent."""
    silence(db, HOSTS[0])
    with db.write() as tx:
        services.switch(tx, HOSTS[0], services.SHARE_MANAGER, disabled=True)
    assert HealthCheck(db)().verdict is Verdict.OK


def test_a_manager_answers_for_its_own(db: Database):
    """With hosts named, others' backends are others' business."""
    silence(db, HOSTS[0])
    assert HealthCheck(db, [HOSTS[1]])().verdict is Verdict.OK
    assert HealthCheck(db, [HOSTS[0]])().verdict is Verdict.FAILED


@pytest.mark.parametrize("part", ["driver", "network"])
def test_what_the_manager_wrote_down_is_told(db: Database, part: str):
    """And forgotten when driver or plugin answers again."""
    with db.write() as tx:
        services.note(tx, HOSTS[0], **{f"{part}_error": "no route to host"})
    health = HealthCheck(db)()
    assert health.verdict is Verdict.DEGRADED
    assert getattr(health.backends[0], part) == "no route to host"
    with db.write() as tx:
        services.note(tx, HOSTS[0], **{f"{part}_error": None})
    assert HealthCheck(db)().verdict is Verdict.OK


@pytest.mark.parametrize("part", ["driver", "network"])
def test_what_is_ill_everywhere_takes_no_api_away(db: Database, part: str):
    """An outage of the service behind all of them: 200 for load balancers, 503 for monitoring.

    Managers of drivers that don't answer are not seen after a while.
    """
    if part == "driver":
        silence(db, *HOSTS)
    with db.write() as tx:
        for host in HOSTS:
            services.note(tx, host, **{f"{part}_error": "no route to host"})
    page = client(db, admin=True).simulate_get("/healthcheck")
    assert (page.status_code, page.json["status"]) == (200, "degraded")
    assert not any(item["ok"] for item in page.json["backends"])
    assert client(db, admin=True).simulate_get("/healthcheck?strict").status_code == 503


def test_a_backend_without_networks_has_no_trouble_with_them(db: Database):
    """What its plugin said before it was configured as single_svm is taken back."""
    with db.write() as tx:
        services.note(tx, HOSTS[0], network_error="no route to host")
    without = replace(backend("one", DriverMode.SINGLE), host=HOSTS[0])
    Reporter(db=db, backends=[without]).ask_networks()
    assert HealthCheck(db)().verdict is Verdict.OK


def test_a_schema_that_is_not_ours_is_a_failure(db: Database):
    """And is said to administrators; nobody else is told more than one word."""
    said = text("UPDATE alembic_version SET version_num = :revision")
    with db.write() as tx:
        tx.execute(said, {"revision": "9999"})
    try:
        page = client(db, admin=True).simulate_get("/healthcheck")
        assert page.status_code == 503
        assert "9999" in page.json["database"]["error"]
        assert client(db, admin=False).simulate_get("/healthcheck").text == "UNAVAILABLE"
    finally:  # other tests have the database after this one
        with db.write() as tx:
            tx.execute(said, {"revision": migrate.HEAD})


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of something that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_database_that_hangs_holds_up_nobody():
    """503 when time is up, details or not; asked again and again it costs one thread."""
    with silent_server() as port:
        db = Database(f"postgresql+psycopg://nobody@127.0.0.1:{port}/nothing")
        check = HealthCheck(db, seconds=1)
        before = threading.active_count()
        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(lambda _: check(), range(2)))
        assert {item.verdict for item in told} == {Verdict.FAILED}
        assert {item.database.error for item in told} == {"no answer for 1 s"}
        assert threading.active_count() <= before + 1


def test_what_never_comes_back_is_given_up():
    """The first run hangs for ever, the next one after a while answers."""
    first, for_ever = threading.Event(), threading.Event()

    def ask() -> str:
        if not first.is_set():
            first.set()
            for_ever.wait(60)
        return "here"

    bounded = Bounded(ask, 0.05)
    with pytest.raises(TimeoutError):
        bounded()

    def answers() -> bool:
        try:
            return bounded() == "here"
        except TimeoutError:
            return False

    until(answers, "another run")
    for_ever.set()


def test_not_more_than_a_few_hang():
    """Whatever is asked of what hangs for ever; when one comes back, it is hoped for again."""
    gates = [threading.Event() for _ in range(9)]
    waiting = list(gates)

    def hang() -> str:
        waiting.pop(0).wait(60)
        return "here"

    bounded = Bounded(hang, 0.01)

    def asked(times: int) -> int:
        for _ in range(times):
            with pytest.raises(TimeoutError):
                bounded()
        return len(gates) - len(waiting)

    assert asked(40) == MOST_GIVEN_UP + 1
    gates[0].set()
    until(lambda: asked(1) == MOST_GIVEN_UP + 2, "another run")
    assert asked(20) == MOST_GIVEN_UP + 2
    for gate in gates:
        gate.set()

    def answers() -> bool:
        with suppress(TimeoutError):
            return bounded() == "here"
        return False

    until(answers, "an answer")


def test_metrics_without_a_database():
    """The page is there all the same, and says that the database is not."""
    db = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    page = client(db, admin=True).simulate_get("/metrics")
    assert page.status_code == 200
    assert "abaca_database_up 0.0" in page.text
    assert "abaca_shares" not in page.text
    assert json.dumps(page.headers["content-type"]).startswith('"text/plain')


def test_who_asks_meanwhile_gets_the_same_answer():
    """Eight at once cause one run; the next one after it another."""
    begun, gate, runs = threading.Event(), threading.Event(), []

    def slow() -> int:
        runs.append(1)
        begun.set()
        gate.wait(10)
        return len(runs)

    ask = Bounded(slow, 10)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ask())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 8
    assert ask() > 1
