"""Access rules in force that are in no row, or lack: seen both ways, and the rows' are applied."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from abaca.db import access_rules
from abaca.drivers.fake import FakeDriver, FakeShare
from abaca.manager.backend import Backend
from abaca.manager.comparison import compare
from abaca.model.finding import FindingState
from abaca.modes import DriverMode
from abaca.states import AccessState, ShareStatus
from audit.conftest import BUSY, CALM
from audit.test_audit import found
from support.control_plane import Api, StartManager, backend

OURS = ("10.1.0.0/24", "rw")
STRAY = ("203.0.113.0/24", "rw")


@dataclass(kw_only=True)
class Shared:
    """A share with a rule of its project's."""

    api: Api
    backend: Backend
    driver: FakeDriver
    id: str

    @property
    def there(self) -> FakeShare:
        """As the backend has it."""
        return self.driver.world.shares[self.instance]

    @property
    def instance(self) -> str:
        """What the backend calls it."""
        share = self.api.read(self.id)
        assert share is not None
        return share.instance.id


def shared(api: Api, start: StartManager, mode: DriverMode, *, often: bool) -> Shared:
    """With a manager that audits all the time, or when it is asked to."""
    driver = FakeDriver(mode)
    here = backend("b1", mode, driver=driver)
    start(here, options=BUSY if often else CALM)
    network = api.share_network() if mode.has_share_servers else None
    share_id = api.share(api.share_type(mode), network_id=network)
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.allow(share_id, *OURS)
    api.until_idle()
    made = Shared(api=api, backend=here, driver=driver, id=share_id)
    assert made.there.rules == [OURS]
    return made


def seen(made: Shared) -> set[tuple[str, str, str]]:
    """What one look sees."""
    return {item.key for item in compare(made.api.db, made.backend).discrepancies}


def set_state(api: Api, rule_id: str, state: AccessState) -> None:
    """Whatever it was."""
    with api.db.write() as tx:
        access_rules.set_state(tx, [rule_id], state)


@pytest.mark.every_database
@pytest.mark.parametrize("mode", [DriverMode.SINGLE, DriverMode.FLAT])
def test_each_difference_is_named(api: Api, start: StartManager, mode: DriverMode) -> None:
    """Who is admitted and should not be, who should be and is not, and whose right is another."""
    made = shared(api, start, mode, often=False)
    name = made.instance
    lacks = ("access_rule", f"{name}/rw 10.1.0.0/24", "missing_in_world")
    assert seen(made) == set()
    made.there.rules.append(STRAY)
    assert seen(made) == {("access_rule", f"{name}/rw 203.0.113.0/24", "missing_in_ledger")}
    made.there.rules[:] = []
    assert seen(made) == {lacks}
    made.there.rules[:] = [(OURS[0], "ro")]
    more = ("access_rule", f"{name}/ro 10.1.0.0/24", "missing_in_ledger")
    assert seen(made) == {lacks, more}


def test_what_is_being_changed_is_no_difference(api: Api, start: StartManager) -> None:
    """A rule that was asked for and is not applied yet; one that is refused is not in force."""
    made = shared(api, start, DriverMode.SINGLE, often=False)
    (rule,) = api.rows("access_rules")
    made.there.rules.clear()
    for state in (AccessState.QUEUED_TO_APPLY, AccessState.DENYING):
        set_state(api, str(rule["id"]), state)
        assert seen(made) == set()
    set_state(api, str(rule["id"]), AccessState.ERROR)
    assert seen(made) == set()
    set_state(api, str(rule["id"]), AccessState.ACTIVE)
    assert len(seen(made)) == 1


@pytest.mark.parametrize("rules", [[OURS, STRAY], [], [STRAY]])
def test_the_rows_are_applied_again(
    api: Api, start: StartManager, rules: list[tuple[str, str]]
) -> None:
    """Two looks later exactly those are in force that the rows have, and the list shows it."""
    made = shared(api, start, DriverMode.FLAT, often=True)
    made.there.rules[:] = rules
    api.until(lambda: made.there.rules == [OURS])
    api.until(lambda: any(kind == "access_rule" for kind, _ in found(api, FindingState.REPAIRED)))
    api.until_idle()
    (row,) = api.rows("access_rules")
    assert row["state"] == AccessState.ACTIVE
