"""A file system without room for another image: told as such, and mended by room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from abaca.drivers.driver import Driver, Share
from abaca.errors import StorageFull
from abaca.linux.command import run
from abaca.torture import volume
from support.hostns import Host
from support.linux_scene import Backend, a_share, single

pytestmark = pytest.mark.dataplane
NONE_AT_ALL, FOR_RECORDS_ONLY = 0, 1 << 20


@pytest.fixture
def small(made_host: Host) -> Iterator[Backend]:
    """A backend that promises more than its file system has."""
    made = single(made_host)
    made.values["max_over_subscription_ratio"] = volume.OVER_SUBSCRIPTION
    folder = made_host.folder / "storage"
    volume.mount(folder)
    yield made
    run("umount", "--lazy", str(folder))


@pytest.mark.parametrize("room", [NONE_AT_ALL, FOR_RECORDS_ONLY])
def test_a_share_for_which_there_is_no_room(small: Backend, room: int) -> None:
    """Neither a record nor an image fits: StorageFull; nothing is left, room is all it needs."""
    driver, share = small.driver(), a_share(small, 1)
    driver.start()
    with volume.full(small.host.folder / "storage", but_for=room):
        with pytest.raises(StorageFull, match="No space left on device"):
            driver.ensure_share(share, None)
        driver.remove_share(share)
        assert _left(small, driver) == []
    assert driver.ensure_share(share, None)
    assert _made(driver, share)
    driver.remove_share(share)
    assert _left(small, driver) == []


def _made(driver: Driver, share: Share) -> bool:
    return share.id in driver.inventory().shares


def _left(small: Backend, driver: Driver) -> list[str]:
    """Shares that the driver knows, and files of any."""
    files = (small.host.folder / "storage").rglob("*")
    return [
        *driver.inventory().shares,
        *(str(item) for item in files if item.suffix in {".img", ".new", ".json"}),
    ]
