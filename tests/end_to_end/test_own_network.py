"""Share networks that name no network: Abaca makes one, and the tenant's machines join it."""

from __future__ import annotations

import json
import re
import secrets
from configparser import ConfigParser
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from abaca.demo import nfs
from abaca.demo.topology import UNDERLAY_HOST, Machine
from abaca.errors import CommandFailed
from abaca.linux.netns import ensure_namespace
from support.databases import Databases
from support.demo_config import demo_config

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.usefixtures("databases"),
]

CIDR = "10.253.0.0/16"
MODE = "managed_multi_svm"


@pytest.fixture(scope="module")
def site_config() -> str:
    """One backend, whose network section makes networks."""
    own = {
        "share_driver": "linux",
        "driver_mode": MODE,
        "network_config_group": "made",
        "storage_path": "{root}/own",
        "vxlan_local": UNDERLAY_HOST,
    }
    made = {
        "network_plugin": "standalone",
        "service_cidr": CIDR,
        "segmentation_ids": "30000-30099",
    }
    return demo_config("own", own=own, made=made)


@pytest.fixture(scope="module")
def share_type(site: Any) -> str:
    """The share type of that backend."""
    specs = {"driver_mode": MODE, "share_backend_name": "own"}
    site.clients["admin"].share_types.create("own", True, extra_specs=specs)
    return "own"


def share_of(site: Any, project: str, share_type: str) -> Any:
    """A share on a new share network without any ID, that the whole service network may use."""
    client = site.clients[project]
    network = client.share_networks.create(name=f"own-{secrets.token_hex(3)}")
    share = client.shares.create("NFS", 1, share_type=share_type, share_network=network)
    share = site.settled(share)
    site.allow(share, CIDR, project=project)
    return share


def addresses(told: str) -> list[str]:
    """The addresses, with prefix length, that the command printed."""
    return re.findall(r"\d+\.\d+\.\d+\.\d+/\d+", told)


def behind_bridge(site: Any, bridge: str) -> Machine:
    """A machine that hangs on a bridge which the tenant has on the storage host."""
    name = f"{site.topology.host.removesuffix('-host')}-carol"
    ensure_namespace(name)
    machine = Machine(name="carol", netns=name, number=203)
    on_host = site.topology.on_host
    on_host("ip", "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
    on_host("ip", "link", "set", bridge, "addrgenmode", "none", "up")
    on_host("ip", "link", "add", "carol", "type", "veth", "peer", "name", "own", "netns", name)
    on_host("ip", "link", "set", "carol", "master", bridge, "addrgenmode", "none", "up")
    return machine


def test_machines_join_by_namespace_and_by_bridge(site: Any, share_type: str) -> None:
    """Both read and write through NFS; another project's can't; what is left is nothing."""
    before = site.world()
    share = share_of(site, "alice", share_type)
    other = share_of(site, "bob", share_type)
    export, network = site.export(share), share.share_network_id
    nfs.refusal(site.alice, export)
    (mine,) = addresses(site.service.abaca("network", "join", network, "--netns", site.alice.netns))
    wrote = nfs.write(site.alice, export, "hello", secrets.token_bytes(2000))
    assert nfs.read(site.alice, export, "hello") == wrote

    # On a network of its own and with a route, the other project's machine still is elsewhere.
    join = ("network", "join", other.share_network_id, "--netns", site.bob.netns)
    (theirs,) = addresses(site.service.abaca(*join))
    assert ip_interface(mine).network != ip_interface(theirs).network
    site.bob.run("ip", "route", "add", str(ip_interface(mine).network), "dev", "share0")
    nfs.refusal(site.bob, export)
    assert nfs.write(site.bob, site.export(other, "bob"), "own", b"data")

    carol = behind_bridge(site, "br-alice")
    bridge = ("network", "join", network, "--bridge", "br-alice", "--machines", "2")
    kept = addresses(site.service.abaca(*bridge))
    assert addresses(site.service.abaca(*bridge)) == kept
    assert len({mine, *kept}) == 3
    carol.run("ip", "addr", "add", kept[0], "dev", "own")
    carol.run("ip", "link", "set", "own", "mtu", "1450", "up")
    assert nfs.read(carol, export, "hello") == wrote
    assert nfs.write(carol, export, "more", b"of it")
    with pytest.raises(CommandFailed, match="joined with another network"):
        site.service.abaca("network", "join", other.share_network_id, "--bridge", "br-alice")

    for _ in range(2):
        site.service.abaca("network", "leave", network, "--bridge", "br-alice")
        site.service.abaca("network", "leave", network, "--netns", site.alice.netns)
    nfs.refusal(carol, export)
    nfs.refusal(site.alice, export)
    site.service.abaca(*join, "--leave")
    site.clear()
    for project in ("alice", "bob"):
        for item in site.clients[project].share_networks.list():
            item.delete()
    site.until(lambda: site.world() == before, "nothing is left")
    assert json.loads(site.service.abaca("network", "orphans", "--format", "json")) == []


def found(site: Any, *options: str) -> dict[tuple[str, str], str]:
    """The state of each orphan, by kind and name."""
    told = site.service.abaca("network", "orphans", "--format", "json", *options)
    return {(row["kind"], row["what"]): row["state"] for row in json.loads(told)}


def on_database(file: Path, url: str, changed: Path) -> Path:
    """A copy of the configuration, with another database."""
    parser = ConfigParser(default_section="", interpolation=None)
    parser.read(file)
    parser["database"] = {"connection": url}
    with changed.open("w") as text:
        parser.write(text)
    return changed


def test_what_no_row_knows_is_found_and_removed(
    site: Any, share_type: str, databases: Databases
) -> None:
    """With another database all is an orphan: told, kept as long as it has data, then removed."""
    site.service.stop()
    before = site.world()
    site.service.start()
    share = share_of(site, "alice", share_type)
    (server,) = site.clients["admin"].share_servers.list()
    assert json.loads(site.service.abaca("network", "orphans", "--format", "json")) == []
    site.service.stop()
    real = site.service.config
    try:
        with databases.one() as url:
            site.service.config = on_database(real, url, site.root / "lost.conf")
            tries = ("", "--repair", "--repair --data", "")
            shown = [found(site, *options.split()) for options in tries]
    finally:
        site.service.config = real
    mine = ("share server", server.id)
    (instance,) = [what for kind, what in shown[0] if kind == "share"]
    assert shown[0] == {mine: "found", ("share", instance): "found"}
    assert shown[1][mine].startswith("kept: ")
    assert shown[2] == {mine: "removed", ("share", instance): "removed"}
    assert shown[3] == {}
    assert site.world() == before
    site.service.start()
    site.settled(share)
    site.clear()
