"""Whatever fails for good, the project that it is about is told, in words of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from abaca.drivers.fake import FakeDriver
from abaca.errors import DriverError
from abaca.model.message import ActionId, MessageResource
from abaca.model.task import TaskKind
from abaca.modes import DriverMode
from abaca.states import ShareStatus
from support.control_plane import PROJECT, Api, StartManager, backend

MODE = DriverMode.MANAGED
SECRET = "controller 10.1.2.3 said 0x80070057"
Scenario = Callable[[Api, FakeDriver], str]
"""Makes work fail; says the ID of the resource that the project is told about."""


def _refuse(driver: FakeDriver, verb: str, times: int = 1) -> None:
    driver.fail(verb, *(DriverError(SECRET) for _ in range(times)))


def _share(api: Api) -> str:
    share_id = api.share(api.share_type(MODE), network_id=api.share_network())
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    return share_id


def creating(api: Api, driver: FakeDriver) -> str:
    """A share that can't be made."""
    _refuse(driver, "ensure_share")
    return api.share(api.share_type(MODE), network_id=api.share_network())


def extending(api: Api, driver: FakeDriver) -> str:
    """A share that can't grow."""
    share_id = _share(api)
    _refuse(driver, "resize_share")
    api.resize(share_id, 2)
    return share_id


def shrinking(api: Api, driver: FakeDriver) -> str:
    """A share that can't shrink."""
    share_id = api.share(api.share_type(MODE), network_id=api.share_network(), size=2)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    _refuse(driver, "resize_share")
    api.resize(share_id, 1)
    return share_id


def denying(api: Api, driver: FakeDriver) -> str:
    """Rules that can't be applied."""
    share_id = _share(api)
    _refuse(driver, "apply_access")
    api.allow(share_id, "10.0.0.0/24")
    return share_id


def reverting(api: Api, driver: FakeDriver) -> str:
    """A share that can't be reverted."""
    share_id = _share(api)
    snapshot = api.snapshot(share_id)
    api.until_idle()
    _refuse(driver, "revert_share")
    api.revert(share_id, snapshot)
    return share_id


def deleting(api: Api, driver: FakeDriver) -> str:
    """A share that can't be removed."""
    share_id = _share(api)
    _refuse(driver, "remove_share")
    api.delete(share_id)
    return share_id


def snapshot_taking(api: Api, driver: FakeDriver) -> str:
    """A snapshot that can't be taken."""
    share_id = _share(api)
    _refuse(driver, "ensure_snapshot")
    return api.snapshot(share_id)


def snapshot_removing(api: Api, driver: FakeDriver) -> str:
    """A snapshot that can't be removed."""
    share_id = _share(api)
    snapshot = api.snapshot(share_id)
    api.until_idle()
    _refuse(driver, "remove_snapshot")
    api.delete_snapshot(snapshot)
    return snapshot


def _share_network(api: Api) -> str:
    """What tenants know of the server: its share network."""
    (row,) = api.rows("share_servers")
    return str(row["share_network_id"])


def server_removing(api: Api, driver: FakeDriver) -> str:
    """A share server that can't be taken away."""
    share_id = _share(api)
    _refuse(driver, "remove_server")
    api.delete(share_id)
    return _share_network(api)


def server_healing(api: Api, driver: FakeDriver) -> str:
    """A share server that died, and can't be brought back for a while."""
    _share(api)
    _refuse(driver, "ensure_server", times=5)
    driver.world.reboot()
    return _share_network(api)


SCENARIOS: dict[TaskKind, dict[Scenario, ActionId]] = {
    TaskKind.SHARE: {
        creating: ActionId.CREATE,
        extending: ActionId.EXTEND,
        shrinking: ActionId.SHRINK,
        denying: ActionId.UPDATE_ACCESS_RULES,
        reverting: ActionId.REVERT_TO_SNAPSHOT,
        deleting: ActionId.DELETE,
    },
    TaskKind.SNAPSHOT: {snapshot_taking: ActionId.CREATE, snapshot_removing: ActionId.DELETE},
    TaskKind.SHARE_SERVER: {server_removing: ActionId.DELETE, server_healing: ActionId.UPDATE},
}
OF_NO_PROJECT = {TaskKind.AUDIT}
"""About a backend: administrators have the log, the metrics and the findings."""
RESOURCE = {
    TaskKind.SHARE: MessageResource.SHARE,
    TaskKind.SNAPSHOT: MessageResource.SHARE_SNAPSHOT,
    TaskKind.SHARE_SERVER: MessageResource.SHARE_NETWORK,
}


def test_every_kind_of_task_is_tried():
    """A new kind needs a scenario here, or a reason why nobody is told."""
    assert set(SCENARIOS) | OF_NO_PROJECT == set(TaskKind)


@pytest.mark.parametrize(
    ("kind", "scenario"),
    [(kind, scenario) for kind, them in SCENARIOS.items() for scenario in them],
    ids=lambda item: getattr(item, "__name__", str(item)),
)
def test_the_project_is_told(api: Api, start: StartManager, kind: TaskKind, scenario: Scenario):
    """One message, of the right action, about the right thing, and nothing of the backend's."""
    driver = FakeDriver(MODE)
    start(backend("b1", MODE, driver=driver))
    resource_id = scenario(api, driver)
    (message,) = api.until(api.messages)
    api.until_idle()
    assert [item.id for item in api.messages()] == [message.id]
    assert message.resource_type == RESOURCE[kind]
    assert message.resource_id == resource_id
    assert message.project_id == PROJECT
    assert message.action_id == SCENARIOS[kind][scenario]
    assert "0x80070057" not in message.user_message
    assert message.user_message.endswith((".", "again."))


def test_every_project_on_a_share_network_is_told(api: Api, start: StartManager):
    """Of a public one that several are on: what one was told does not keep it from the others."""
    driver = FakeDriver(MODE)
    start(backend("b1", MODE, driver=driver))
    share_type, network = api.share_type(MODE), api.share_network()
    projects = [PROJECT, "p2", "p3"]
    for project in projects:
        share_id = api.share(share_type, network_id=network, project_id=project)
        api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    _refuse(driver, "ensure_server", times=3 * len(projects))
    driver.world.reboot()
    api.until(lambda: len({item.project_id for item in api.messages()}) == len(projects))
    api.until_idle(20)
    told = api.messages()
    assert sorted(item.project_id for item in told) == projects
    assert {item.resource_id for item in told} == {network}
