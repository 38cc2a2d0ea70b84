"""Live share servers gain and lose interfaces, and are left and adopted, with NFS going on."""

from __future__ import annotations

import os
import secrets
from typing import Any

import pytest

from abaca.demo import nfs
from abaca.demo.service import CONFIG

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.usefixtures("databases"),
]


@pytest.fixture(scope="module")
def site_config() -> str:
    """Share servers stay without shares, so that they can be left."""
    return CONFIG.replace("[DEFAULT]\n", "[DEFAULT]\nshare_server_idle_seconds = 600\n")


def _pid(site: Any, server: Any) -> int:
    return int(site.clients["admin"].share_servers.get(server.id).backend_details["pid"])


def _paths(site: Any, share: Any) -> list[str]:
    """Where it is mounted from."""
    found = site.clients["alice"].share_export_locations.list(share)
    return sorted(str(item.path) for item in found)


def _remove_idle(site: Any) -> None:
    admin = site.clients["admin"]
    for share in site.clients["alice"].shares.list():
        share.delete()
    site.until(lambda: not site.clients["alice"].shares.list(), "shares deleted")
    for server in admin.share_servers.list():
        admin.share_servers.delete(server)
    site.until(lambda: not admin.share_servers.list(), "share servers removed")


def test_a_subnet_is_added_and_removed_under_a_mounted_share(site: Any) -> None:
    """The share is reached on the new subnet too, then on that alone; same server, same data."""
    alice, admin = site.clients["alice"], site.clients["admin"]
    share = site.settled(site.share("direct"))
    site.allow(share, "192.168.0.0/16")
    (first,) = _paths(site, share)
    assert first.startswith("192.168.50.")
    wrote = nfs.write(site.alice, first, "kept", secrets.token_bytes(2000))
    (server,) = admin.share_servers.list()
    pid = _pid(site, server)
    network = alice.share_networks.get(server.share_network_id)
    old = network.share_network_subnets[0]["id"]

    new = alice.share_network_subnets.create(
        neutron_net_id="routed", neutron_subnet_id="routed", share_network_id=network.id
    )
    site.until(lambda: len(_paths(site, share)) == 2, "two export locations")
    (second,) = set(_paths(site, share)) - {first}
    assert second.startswith("192.168.60.")
    assert nfs.read(site.alice, second, "kept") == wrote
    assert nfs.read(site.alice, first, "kept") == wrote

    alice.share_network_subnets.delete(network.id, old)
    site.until(lambda: _paths(site, share) == [second], "one export location is left")
    assert nfs.read(site.alice, second, "kept") == wrote
    assert not nfs.can_read(site.alice, first, "kept")
    assert _pid(site, server) == pid
    details = admin.share_servers.get(server.id).backend_details
    assert details["addresses"].startswith("192.168.60.")

    with pytest.raises(Exception, match="delete those shares first"):
        alice.share_network_subnets.delete(network.id, new.id)
    _remove_idle(site)


def test_a_server_is_left_and_adopted(site: Any) -> None:
    """Left, it runs on and its address is nobody's; adopted, a share on it has that address."""
    admin = site.clients["admin"]
    share = site.settled(site.share("cluster1"))
    address = _paths(site, share)[0].partition(":")[0]
    (server,) = admin.share_servers.list()
    pid = _pid(site, server)
    share.delete()
    site.until(lambda: not site.clients["alice"].shares.list(), "the share is deleted")

    admin.share_servers.unmanage(server)
    site.until(lambda: not admin.share_servers.list(), "the server is left")
    os.kill(pid, 0)
    other = site.settled(site.share("cluster1", project="bob"))
    assert not site.export(other, "bob").startswith(f"{address}:")
    other.delete()

    adopted = admin.share_servers.manage(
        "demo@cluster1", server.share_network_id, identifier=server.id
    )
    site.settled(adopted, wanted="active")
    assert _pid(site, adopted) == pid
    again = site.settled(site.share("cluster1"))
    site.allow(again, site.alice.address("flat1"))
    (path,) = _paths(site, again)
    assert path.startswith(f"{address}:")
    wrote = nfs.write(site.alice, path, "kept", secrets.token_bytes(2000))
    assert nfs.read(site.alice, path, "kept") == wrote
    site.until(lambda: not site.clients["bob"].shares.list(), "bob's share is deleted")
    _remove_idle(site)
