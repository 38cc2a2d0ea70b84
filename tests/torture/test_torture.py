"""A bounded part of ``make torture``: operations in every mode, killed at some of the points."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import abaca
from abaca import steps
from abaca.demo import leftovers
from abaca.linux import image
from abaca.testing.databases import SERVERS, DatabaseServer
from abaca.torture import points
from abaca.torture.cases import CASES, ELSEWHERE, operation_of
from abaca.torture.disasters import (
    EVERYWHERE,
    ON_LINUX,
    ON_SQLITE,
    ON_VOLUME,
    Disaster,
    Refusal,
    of_server,
    site_url,
    tried,
)
from abaca.torture.fake_site import fake_site
from abaca.torture.linux_site import linux_site
from abaca.torture.operations import OPERATIONS
from abaca.torture.programme import Programme
from abaca.torture.report import Report
from abaca.torture.run import Choice
from abaca.torture.small_database import small_database
from abaca.torture.trial import PROJECTS, Trials
from support.databases import Databases, main

pytestmark = pytest.mark.slow
SOURCES = Path(abaca.__file__).parent
SEED = 1


@pytest.fixture(scope="module")
def server(databases: Databases) -> DatabaseServer | None:
    """The database server of this run of the tests; None: SQLite."""
    return databases.server(main()) if main() in SERVERS else None


@contextmanager
def database(databases: Databases) -> Iterator[str | None]:
    """The URL of a database for a site; None: SQLite, where the site likes it."""
    if main() == "sqlite":
        yield None
        return
    url = site_url(databases.server(main()), main())
    yield url
    databases.server(main()).drop(url)


def torture(server: DatabaseServer | None, phase: str, seconds: float) -> Report:
    """Some of it; always the same for the same seed, as far as time allows."""
    report = Report(seed=SEED, database=main())
    Programme(
        report=report,
        database=main(),
        chance=random.Random(SEED),  # noqa: S311 - to be had again
        choice=Choice(),
        server=server,
    ).run(seconds, [phase])
    return report


def test_killed_anywhere_it_ends_well(server: DatabaseServer | None) -> None:
    """Nothing is stuck, leaked or lost, at whichever fault points there was time for."""
    for seconds in (8, 60, 300):  # a busy host gets to the first kill late
        report = torture(server, "kill", seconds)
        assert [f"{item.kind}: {item.where}\n{item.text}" for item in report.findings] == []
        if report.by_kind["killed"]:
            return
    pytest.fail("nothing was killed")


@pytest.fixture(scope="module")
def trials(databases: Databases) -> Iterator[Trials]:
    """Quick storage."""
    with database(databases) as url, fake_site(url, PROJECTS) as site:
        made = Trials(site=site)
        made.begin()
        yield made


HERE = ("database read-only", "database locked" if main() == "sqlite" else "database killed")
"""What may happen to the database."""


@pytest.mark.parametrize("name", [*(item.name for item in EVERYWHERE), *HERE])
def test_disasters_end_well(trials: Trials, server: DatabaseServer | None, name: str) -> None:
    """A share server and a share are made, though this happens meanwhile."""
    here = ON_SQLITE if server is None else of_server(server, main())
    attempt(trials, next(item for item in (*EVERYWHERE, *here) if item.name == name))


def attempt(trials: Trials, disaster: Disaster | Refusal, backend: str = "flat") -> None:
    """It happens while a share server and a share are made."""
    found = {(setting.backend, name): attempt for setting, name, attempt in tried(trials, disaster)}
    found[backend, "create"]()


@pytest.mark.dataplane
@pytest.mark.usefixtures("databases")  # so that it is done on each kind, on a server of its own
def test_a_full_database_ends_well() -> None:
    """The database's file system is full for a while."""
    with small_database(main()) as (url, disaster), fake_site(url, PROJECTS) as site:
        made = Trials(site=site)
        made.begin()
        attempt(made, disaster)


@pytest.fixture(scope="module")
def real(databases: Databases) -> Iterator[Trials]:
    """Real storage and networks; storage that can be filled up."""
    with database(databases) as url, linux_site(url, PROJECTS, small=True) as site:
        made = Trials(site=site)
        made.begin()
        yield made
        folder = site.folder
        assert leftovers.loops(folder)
    assert not image.loops(under=folder)


@pytest.mark.dataplane
@pytest.mark.parametrize("disaster", [*ON_LINUX, *ON_VOLUME], ids=lambda item: item.name)
def test_disasters_of_real_storage_end_well(real: Trials, disaster: Disaster | Refusal) -> None:
    """NFS servers die while a share is made; there is no room for one."""
    attempt(real, disaster, "managed" if isinstance(disaster, Disaster) else "flat")


@pytest.mark.dataplane
def test_killed_with_real_storage_it_ends_well(real: Trials) -> None:
    """Namespaces, links, mounts, images, daemons and rows are as after an undisturbed run."""
    step = "server.create.nfs"
    setting = next(item for item in real.site.settings if item.backend == CASES[step][0])
    assert real.killed(operation_of(step), setting, f"{step}:after")


def test_a_storm_ends_well(server: DatabaseServer | None) -> None:
    """Everything that was accepted while managers were killed comes to be, and goes."""
    for seconds in (3, 30, 120):  # a busy host gets to the first operation late
        report = torture(server, "storm", seconds)
        assert [f"{item.kind}: {item.where}\n{item.text}" for item in report.findings] == []
        assert report.by_kind["storms"] == 1
        if report.by_kind["operations of storms"]:
            return
    pytest.fail("nothing was done")


def test_paused_past_their_leases_they_change_nothing(trials: Trials) -> None:
    """Two managers sleep past their leases just after the share was made, and do no harm awake."""
    setting = next(item for item in trials.site.settings if item.backend == "flat")
    point = "fake.share.make:after:1"
    operation = operation_of("fake.share.make")
    # A trial in which the other one can't be stopped, since it holds a lock, proves nothing.
    assert any(trials.paused(operation, setting, point) for _ in range(5))


@pytest.mark.parametrize("side", ["before", "after"])
def test_who_offered_and_took_a_share_dies(trials: Trials, side: str) -> None:
    """Before the first of the two requests, or after the second."""
    setting = next(item for item in trials.site.settings if item.backend == "single")
    operation = next(item for item in OPERATIONS if item.name == "transfer")
    trials.asker_killed(operation, setting, side)


def test_every_step_has_a_case() -> None:
    """A new step is a fault point by being one; `CASES` says which operation passes it."""
    written = {
        name
        for file in SOURCES.rglob("*.py")
        for name in re.findall(r'@step\("([^"]+)"\)', file.read_text())
    }
    points.import_all()
    assert written <= set(steps.names())
    assert {name for name in written if not name.startswith(ELSEWHERE)} == set(CASES)
    listed = points.every()
    assert {f"{name}:{side}" for name in CASES for side in points.SIDES} <= set(listed)


def test_cases_pass_their_steps(trials: Trials) -> None:
    """What `CASES` says of steps in any driver is so: the process dies there."""
    chance = random.Random(SEED)  # noqa: S311 - to be had again
    ours = sorted(name for name in CASES if name.startswith(("fake.", "network.", "failure.")))
    for name in chance.sample(ours, 2):
        backend, _ = CASES[name]
        setting = next(item for item in trials.site.settings if item.backend == backend)
        assert trials.killed(operation_of(name), setting, f"{name}:before"), name


def test_operations_have_names_of_their_own() -> None:
    """An operation is found by its name."""
    names = [item.name for item in OPERATIONS]
    assert len(set(names)) == len(names)
