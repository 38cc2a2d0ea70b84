"""A file system without room, for another image or for one to grow: told, and mended by room."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from abaca.drivers.driver import Driver, Inspects, Oddity, Share
from abaca.drivers.linux.layout import RUN_PATH
from abaca.errors import CommandFailed, StorageFull
from abaca.linux.command import run
from abaca.torture import volume
from support.hostns import Host, reboot
from support.linux_scene import Backend, a_share, scene, single

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
    reboot(made_host)  # while its images can be found
    run("umount", str(folder))  # refused while anything of it is in use, a loop device included


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


def test_an_image_that_could_not_grow(small: Backend) -> None:
    """An image takes no more writes for want of room: once there is some, the server mends it."""
    made = scene(small)
    mount = next((RUN_PATH / small.host.deployment).glob(f"*/*/mounts/{made.share.id}"))
    (mount / "before").write_text("data")
    run("btrfs", "filesystem", "sync", str(mount))
    with volume.full(small.host.folder / "storage"):
        _fill(mount)
        (found,) = _odd(made.driver, "read_only")
        assert found.name.endswith("/single/images/p1.img")
        # Nothing can be done about it, so what can still be read is not interrupted.
        assert made.driver.check_server(None)
    assert not made.driver.check_server(None)
    made.driver.start()
    assert made.driver.check_server(None)
    assert _odd(made.driver) == []
    (mount / "after").write_text("data")
    assert (mount / "before").read_text() == "data"
    assert made.machine.read(made.location, "before").stdout == "data"


def _fill(mount: Path) -> None:
    """Write until the file system takes no more."""
    deadline = time.monotonic() + 60
    while not os.statvfs(mount).f_flag & os.ST_RDONLY:
        assert time.monotonic() < deadline
        with suppress(OSError), (mount / "filler").open("ab") as file:
            file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
        with suppress(CommandFailed):
            run("btrfs", "filesystem", "sync", str(mount))


def _odd(driver: Driver, *kinds: str) -> list[Oddity]:
    """What the driver finds odd; of these kinds, if some are named."""
    found = cast("Inspects", driver).oddities()
    return [item for item in found if not kinds or item.kind in kinds]


def _made(driver: Driver, share: Share) -> bool:
    return share.id in driver.inventory().shares


def _left(small: Backend, driver: Driver) -> list[str]:
    """Shares that the driver knows, and files of any."""
    files = (small.host.folder / "storage").rglob("*")
    return [
        *driver.inventory().shares,
        *(str(item) for item in files if item.suffix in {".img", ".new", ".json"}),
    ]
