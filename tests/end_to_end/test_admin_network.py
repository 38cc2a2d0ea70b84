"""Administrators mount shares over a network of their own, which tenants neither see nor reach."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from manilaclient.common.apiclient.exceptions import NotFound

from abaca.demo import leftovers, nfs
from abaca.demo.service import CONFIG
from abaca.demo.topology import Machine
from abaca.linux.netns import ensure_namespace, remove_namespace

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.usefixtures("databases"),
]

ADDRESS = "10.66.0.250"
ADMINS = """
[admins]
network_plugin = standalone
gateway = 10.66.0.1
mask = 24
"""


@pytest.fixture(scope="module")
def site_config() -> str:
    """A flat and a managed backend, both with the administrators' network."""
    text = CONFIG.replace("= site, cluster1, cluster2, direct, vlan, routed", "= cluster1, routed")
    text = text.replace("= flat:br-flat1", "= flat:br-flat1, admin:br-admin")
    routed = "storage_path = {root}/routed"
    text = text.replace(routed, f"{routed}\nbridge_mappings = admin:br-admin")
    for group in ("flat1", "service"):
        line = f"network_config_group = {group}"
        assert line in text
        text = text.replace(line, f"{line}\nadmin_network_config_group = admins")
    return text + ADMINS


def _machine(site: Any) -> Machine:
    tag = site.root.name.removeprefix(leftovers.PREFIX)
    return Machine(name="admins", netns=f"{leftovers.PREFIX}{tag}-admins", number=250)


@pytest.fixture(scope="module")
def beside() -> Callable[[Any], AbstractContextManager[object]]:
    """The administrators' bridge on the storage host, and a machine on it."""

    @contextmanager
    def running(site: Any) -> Iterator[None]:
        machine, host = _machine(site), site.topology.on_host
        ensure_namespace(machine.netns)
        try:
            host("ip", "link", "add", "br-admin", "type", "bridge")
            host("ip", "link", "set", "br-admin", "addrgenmode", "none", "up")
            host("ip", "link", "add", "admins", "type", "veth", "peer", "name", "eth0",
                 "netns", machine.netns)  # fmt: skip
            host("ip", "link", "set", "admins", "master", "br-admin", "up")
            machine.run("ip", "addr", "add", f"{ADDRESS}/24", "dev", "eth0")
            machine.run("ip", "link", "set", "eth0", "up")
            yield
        finally:
            remove_namespace(machine.netns)

    return running


@pytest.mark.parametrize("backend", ["cluster1", "routed"])
def test_administrators_mount_what_tenants_do_not_see(site: Any, backend: str) -> None:
    """The tenant's file is read over the admin network, by those whom the rules admit.

    After a reboot of the storage host too, at the same export locations.
    """
    alice, admin, machine = site.clients["alice"], site.clients["admin"], _machine(site)
    share = site.settled(site.share(backend))
    (shown,) = alice.share_export_locations.list(share)
    found = {item.path: item for item in admin.share_export_locations.list(share)}
    assert found[shown.path].is_admin_only is False
    (hidden,) = [item for item in found.values() if item.is_admin_only]
    address = hidden.path.partition(":")[0]
    assert address.startswith("10.66.0.")
    with pytest.raises(NotFound):
        alice.share_export_locations.get(share, hidden.id)

    site.allow(share, "192.168.60.0/24" if backend == "routed" else site.alice.address("flat1"))
    (server,) = admin.share_servers.list()
    details = admin.share_servers.get(server.id).backend_details
    way = shown.path.partition(":")[0]
    if backend == "routed":
        destination, way = details["tenant_routes"].split(" via ")
        mine, theirs = ip_address(site.alice.address("routed")), ip_network(destination)
        assert mine not in theirs
        assert ip_address(shown.path.partition(":")[0]) in theirs
        site.alice.run("ip", "route", "replace", destination, "via", way)
    wrote = nfs.write(site.alice, shown.path, "file", secrets.token_bytes(2000))
    assert nfs.refusal(machine, hidden.path), "no rule admits administrators yet"
    admin.shares.allow(share, "ip", ADDRESS, "ro")
    site.settled(share, "access_rules_status", "active")
    assert nfs.read(machine, hidden.path, "file") == wrote
    assert nfs.read(site.alice, shown.path, "file") == wrote
    if backend == "cluster1":
        site.until(lambda: not site.tasks(), "no task is left")
        site.service.kill()
        leftovers.reboot(site.root)
        site.service.start()
        site.until(lambda: nfs.can_read(machine, hidden.path, "file"), "back after a reboot")
        assert nfs.read(machine, hidden.path, "file") == wrote
        after = {item.path: item.id for item in admin.share_export_locations.list(share)}
        assert after == {item.path: item.id for item in found.values()}

    site.alice.run("ip", "route", "replace", "10.66.0.0/24", "via", way)
    assert nfs.refusal(site.alice, hidden.path)
    for target in (address, ADDRESS):
        with pytest.raises(Exception, match=r"100% packet loss|Unreachable"):
            site.alice.run("ping", "-c", "1", "-W", "0.5", target)

    assert details["admin_addresses"].partition("/")[0] == address
    assert "10.66.0." not in details["addresses"]
    site.clear()
    pools = json.loads(site.service.abaca("network", "usage", "--format", "json"))
    assert [item["used"] for item in pools if item["network"] == "admins"] == [0]
    assert json.loads(site.service.abaca("network", "orphans", "--format", "json")) == []
