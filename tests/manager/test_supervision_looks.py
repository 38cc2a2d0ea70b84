"""Who is told dead: nobody on whom work goes on while it is looked at, or who goes meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from abaca.db import share_servers
from abaca.db.database import Database
from abaca.drivers.driver import Server
from abaca.drivers.fake import FakeDriver
from abaca.manager.supervision import Supervisor
from abaca.model.share import Share
from abaca.model.task import Task, TaskKind
from abaca.modes import DriverMode
from abaca.states import ServerStatus, ShareStatus
from abaca.work import queue
from support.control_plane import Api, StartManager, backend

SERVERS = [DriverMode.FLAT, DriverMode.MANAGED]


class Watched(FakeDriver):
    """Has something happen while it is asked whether a server serves."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def check_server(self, server: Server | None) -> bool:
        """As it was before that happened."""
        serves = super().check_server(server)
        self.meanwhile()
        return serves


class Site:
    """A share whose server died when its manager had gone; the world tells, the rows don't."""

    def __init__(self, api: Api, start: StartManager, mode: DriverMode) -> None:
        self.api, self.driver = api, Watched(mode)
        here = backend("b1", mode, driver=self.driver)
        manager = start(here)
        network = api.share_network() if mode.has_share_servers else None
        share_id = api.share(api.share_type(mode), network_id=network)
        self.share: Share = api.until_status(share_id, ShareStatus.AVAILABLE)
        api.until_idle()
        assert manager.stop()
        self.driver.world.reboot()
        self.supervisor = Supervisor(db=api.db, backends=[here])

    @property
    def lane(self) -> str:
        """Of the share, and of its server."""
        return self.share.instance.lane

    def told(self) -> list[str]:
        """Which warnings one check makes."""
        with capture_logs() as said:
            self.supervisor.check()
        return [item["event"] for item in said if str(item["event"]).endswith("_dead")]

    def tasks(self) -> set[tuple[str, str]]:
        """Kind and resource of every task."""
        with self.api.db.read() as tx:
            return {(str(item.kind), item.resource_id) for item in queue.every(tx)}


def begin(db: Database, kind: TaskKind, resource: str, lane: str) -> Task:
    """Somebody works on it from now on."""
    with db.write() as tx:
        queue.enqueue(tx, kind, resource, queue="node1@b1", lane=lane, project_id="p1",
                      request_id=None)  # fmt: skip
    with db.write() as tx:
        outlook = queue.look(tx, ["node1@b1"], [kind], 9)
        (task,) = queue.claim(tx, outlook.ready, worker="w", lease_seconds=60)
    return task


@pytest.mark.parametrize("mode", DriverMode)
def test_dead_is_told_and_looked_after(api: Api, start: StartManager, mode: DriverMode) -> None:
    """Nobody works on it, and it does not serve: it is told once, and a task mends it."""
    site = Site(api, start, mode)
    if mode.has_share_servers:
        wanted = ("share_server", str(site.share.instance.share_server_id))
        assert (site.told(), site.tasks()) == (["share_servers_dead"], {wanted})
    else:
        wanted = ("share", site.share.instance.id)
        assert (site.told(), site.tasks()) == (["backend_server_dead"], {wanted})
    assert site.told() == []


@pytest.mark.parametrize("mode", DriverMode)
@pytest.mark.parametrize("times", [1, 2])
def test_work_that_begins_during_a_look(
    api: Api, start: StartManager, mode: DriverMode, times: int
) -> None:
    """A snapshot of a share on it is made from the first or second look on: nothing is told."""
    site = Site(api, start, mode)
    looks: list[Task | None] = []

    def meanwhile() -> None:
        last = len(looks) == times - 1
        looks.append(begin(api.db, TaskKind.SNAPSHOT, "s", site.lane) if last else None)

    site.driver.meanwhile = meanwhile
    assert site.told() == []
    assert site.tasks() == {("snapshot", "s")}
    task = next(item for item in looks if item is not None)
    with api.db.write() as tx:
        queue.finish(tx, task)
    site.driver.meanwhile = lambda: None
    assert len(site.told()) == 1


def test_audit_of_the_backend_hides_nothing(api: Api, start: StartManager) -> None:
    """It works on no server: what died meanwhile is told."""
    site = Site(api, start, DriverMode.SINGLE)
    begin(api.db, TaskKind.AUDIT, "a", "a")
    assert site.told() == ["backend_server_dead"]


def test_server_that_was_removed_during_a_look(api: Api, start: StartManager) -> None:
    """Its row went after the list was read: it is not missed."""
    site = Site(api, start, DriverMode.FLAT)
    server = str(site.share.instance.share_server_id)

    def meanwhile() -> None:
        with api.db.write() as tx:
            share_servers.set_status(tx, server, ServerStatus.DELETING)

    site.driver.meanwhile = meanwhile
    assert (site.told(), site.tasks()) == ([], set())
