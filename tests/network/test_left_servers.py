"""A share server that was left as it runs keeps the network that was made for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from worlds import MANAGED, plugin_on

from abaca.db.database import Database
from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label, SubnetRef

SUBNET = SubnetRef(key="subnet-1", project_id="p1")
CLAIM = Claim(owner="server-1", label=Label.USER, subnet=SUBNET.key, index=0)


def test_its_network_is_nobodys_to_remove(database: Database) -> None:
    """Neither collected nor removed nor told as an orphan; adopted and released, it goes."""
    plugin = plugin_on(database, MANAGED, DriverMode.MANAGED)
    plugin.ensure_network(SUBNET, host="host1")
    (held,) = plugin.allocate(SUBNET, [CLAIM], host="host1")
    before = plugin.describe(SUBNET)
    plugin.forget([CLAIM])
    later = datetime.now(UTC) + timedelta(days=1)
    assert plugin.orphans([], later) == []
    assert plugin.collect([], later) == []
    plugin.remove_network(SUBNET, host="host1")
    assert plugin.describe(SUBNET) == before
    plugin.adopt(SUBNET, {held.addresses[0]: CLAIM})
    plugin.release([CLAIM])
    assert len(plugin.collect([], later)) == 1
