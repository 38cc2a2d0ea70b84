"""A share's life on real servers, seen by a real client."""

from __future__ import annotations

from pathlib import Path

import pytest

from abaca.drivers.driver import Inventory
from abaca.errors import DriverError
from support.hostns import Host
from support.linux_scene import Backend, a_share, flat, scene, single
from support.nfs4 import Nfs4Client

pytestmark = pytest.mark.dataplane

ADDRESSES = (["10.9.9.9"], ["fd09:9::9"], ["10.9.9.9", "fd09:9::9"])


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


@pytest.mark.parametrize("addresses", ADDRESSES, ids=["v4", "v6", "both"])
def test_single_server_serves_its_addresses(made_host: Host, addresses: list[str]) -> None:
    """In single_svm the server listens on the one address given, or on all if there are several."""
    backend = single(made_host)
    made_host.ip("addr", "add", "fd09:9::9/128", "dev", "lo", "nodad")
    backend.values["export_addresses"] = addresses
    driver = backend.driver()
    driver.start()
    machine = backend.machine(1)
    locations = driver.ensure_share(a_share(backend, 1), None)
    wanted = [f"[{item}]" if ":" in item else item for item in addresses]
    assert [item.path for item in locations] == [f"{item}:/shares/share-1a" for item in wanted]
    for address in ("10.9.9.9", "fd09:9::9"):
        if address in addresses:
            Nfs4Client(machine.netns, address).close()
        else:
            with pytest.raises(ConnectionRefusedError):
                Nfs4Client(machine.netns, address)


def test_missing_address_is_told_at_start(made_host: Host) -> None:
    """An export address that the host lacks stops the backend, with what to do."""
    backend = single(made_host)
    backend.values["export_addresses"] = ["10.9.9.10"]
    with pytest.raises(DriverError, match=r"10\.9\.9\.10 is no address of this host"):
        backend.driver().start()


def test_missing_bridge_is_told_at_start(made_host: Host) -> None:
    """A bridge that the host lacks stops the backend, with what to do."""
    backend = flat(made_host)
    made_host.ip("link", "del", "br-flat")
    with pytest.raises(DriverError, match="br-flat"):
        backend.driver().start()
