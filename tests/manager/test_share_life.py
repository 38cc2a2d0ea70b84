"""A share from the request to its end, in each driver mode."""

from __future__ import annotations

import pytest

from abaca.drivers.fake import FakeDriver
from abaca.modes import DriverMode
from abaca.states import ShareStatus
from support.control_plane import Api, StartManager, backend

pytestmark = pytest.mark.every_database


@pytest.mark.parametrize("mode", DriverMode)
def test_share_comes_and_goes(api: Api, start: StartManager, mode: DriverMode):
    """A share is made, exported, and removed with its server and its addresses."""
    driver = FakeDriver(mode)
    start(backend("b1", mode, driver=driver))
    network = api.share_network() if mode.has_share_servers else None
    share_id = api.share(api.share_type(mode), network_id=network)

    share = api.until_status(share_id, ShareStatus.AVAILABLE)
    assert share.instance.made
    assert share.instance.progress == "100%"
    assert set(driver.world.shares) == {share.instance.id}
    (location,) = api.rows("export_locations")
    assert str(location["path"]).endswith(f":/{share.instance.id}")
    servers = api.rows("share_servers")
    assert [item["status"] for item in servers] == ["active"] * mode.has_share_servers

    api.delete(share_id)
    api.until_idle()
    assert api.read(share_id) is None
    for table in ("share_instances", "share_servers", "allocations", "export_locations"):
        assert api.rows(table) == [], table
    assert driver.world.shares == {}
    assert driver.world.servers == {}
