"""A share's life on real servers, seen by a real client."""

from __future__ import annotations

from pathlib import Path

import pytest

from abaca.drivers.driver import Inventory
from support.linux_scene import Backend, scene

pytestmark = pytest.mark.dataplane


def test_share_is_written_read_and_gone(backend: Backend, tmp_path: Path) -> None:
    """A share serves its client; removed with its server, nothing of it is left."""
    made = scene(backend)
    source = tmp_path / "source"
    source.write_text("seen through NFS")
    assert made.machine.write(made.location, "f", source).returncode == 0
    assert made.machine.read(made.location, "f").stdout == "seen through NFS"

    made.driver.remove_share(made.share)
    made.driver.remove_share(made.share)
    assert made.machine.read(made.location, "f").returncode != 0
    if made.share.server is not None:
        made.driver.remove_server(made.share.server)
        made.driver.remove_server(made.share.server)
    assert made.driver.inventory() == Inventory(
        servers=frozenset(), shares=frozenset(), snapshots=frozenset()
    )
    assert backend.host.servers() == []
    assert not list(backend.host.folder.rglob("*.img"))
