"""NFS over a network that Neutron forwards: the tenant's machine is a port of OVN's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import pytest

from abaca.demo import nfs
from abaca.demo.topology import Machine
from abaca.errors import LinuxError
from abaca.linux.netns import ensure_namespace, remove_namespace
from abaca.testing.databases import serving
from abaca.testing.ovs import Switch
from support.demo_config import demo_config
from support.neutron import ovn
from support.neutron.server import AGENT_HOST, Flavour, NeutronServer, installed, prepare
from support.neutron.world import Cloud, section

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

PORT = 9697
CIDR = "192.168.80.0/24"
VLAN = {
    "provider:network_type": "vlan",
    "provider:physical_network": "physnet1",
    "provider:segmentation_id": 150,
}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A MariaDB with Neutron's tables: OVN needs more than SQLite."""
    with serving("mariadb") as server:
        url = server.create()
        prepare(installed(), url)
        yield url


@pytest.fixture(scope="module")
def neutron(tmp_path_factory: pytest.TempPathFactory, database: str) -> NeutronServer:
    """Not started yet: it will run on the storage host, beside OVN."""
    ovn.unpacked()
    home = tmp_path_factory.mktemp("neutron")
    return NeutronServer(home=home, port=PORT, flavour=Flavour(database=database))


@pytest.fixture(scope="module")
def site_config() -> str:
    """One backend, on the bridge that is OVN's way to the VLANs."""
    return demo_config("vlan", tenants=section(f"http://127.0.0.1:{PORT}", bind_ports=False))


@pytest.fixture(scope="module")
def beside(neutron: NeutronServer) -> Callable[[Any], AbstractContextManager[object]]:
    """OVN and Neutron, on the storage host."""

    @contextmanager
    def running(site: Any) -> Iterator[None]:
        folder = site.root / "ovn"
        with ovn.ovn(site.topology.host, folder, switch_of(site), "physnet1:br-vlan"):
            neutron.flavour = ovn.flavour(folder, neutron.flavour.database or "")
            neutron.start()
            try:
                yield
            finally:
                neutron.stop()

    return running


def switch_of(site: Any) -> Switch:
    """The storage host's Open vSwitch, which is OVN's chassis."""
    return Switch(socket=site.root / "ovs" / "db.sock")


@contextmanager
def plugged(site: Any, port: dict[str, Any], cidr: str, gateway: str) -> Iterator[Machine]:
    """A machine of alice's, plugged into OVN's bridge as this port."""
    host = site.topology.host
    machine = Machine(name="vm", netns=f"{host}-vm", number=0)
    address = port["fixed_ips"][0]["ip_address"]
    ensure_namespace(machine.netns)
    try:
        site.topology.on_host(
            *("ip", "link", "add", "vm0", "type", "veth"),
            *("peer", "name", "eth0", "netns", machine.netns),
        )
        site.topology.on_host("ip", "link", "set", "vm0", "addrgenmode", "none", "up")
        machine.run("ip", "link", "set", "eth0", "address", port["mac_address"], "up")
        machine.run("ip", "addr", "add", f"{address}/{cidr.rpartition('/')[2]}", "dev", "eth0")
        machine.run("ip", "route", "add", "default", "via", gateway)
        # A switch in user space does not fill in the checksums that the kernel leaves out.
        site.topology.on_host("ethtool", "-K", "vm0", "tx", "off", "rx", "off")
        machine.run("ethtool", "-K", "eth0", "tx", "off", "rx", "off")
        iface = ("--", "set", "Interface", "vm0", f"external_ids:iface-id={port['id']}")
        switch_of(site).vsctl("add-port", "br-int", "vm0", *iface)
        yield machine
    finally:
        with suppress(LinuxError):
            switch_of(site).vsctl("--if-exists", "del-port", "br-int", "vm0")
        remove_namespace(machine.netns)


def test_a_port_of_ovn_mounts(site: Any, neutron: NeutronServer):
    """A machine on OVN's integration bridge mounts from a share server on the provider bridge."""
    cloud = Cloud(neutron.url)
    networks = site.clients["alice"].share_networks
    probe = networks.create(name="probe")
    project = probe.project_id
    networks.delete(probe)
    network = cloud.network(project=project, **VLAN)
    subnet = cloud.subnet(network, CIDR)
    body = {
        "network_id": network["id"],
        "project_id": project,
        "binding:host_id": AGENT_HOST,
        "device_owner": "compute:nova",
        "port_security_enabled": False,
    }
    port = cloud.call("POST", "/ports", {"port": body})["port"]
    share_network = networks.create(
        name="ovn", neutron_net_id=network["id"], neutron_subnet_id=subnet["id"]
    )
    shares = site.clients["alice"].shares
    with plugged(site, port, CIDR, subnet["gateway_ip"]) as machine:
        site.until(
            lambda: cloud.call("GET", f"/ports/{port['id']}")["port"]["status"] == "ACTIVE",
            "OVN wires the machine",
        )
        share = site.settled(
            shares.create("NFS", 1, share_type="vlan", share_network=share_network.id)
        )
        site.allow(share, port["fixed_ips"][0]["ip_address"])
        export = site.export(share)
        written = nfs.write(machine, export, "file", b"through OVN")
        assert nfs.read(machine, export, "file") == written
        (ours,) = cloud.ports(device_owner="abaca-test:share-server")
        assert ours["fixed_ips"][0]["ip_address"] == export.partition(":")[0]
        site.clear()
    assert not cloud.ports(device_owner="abaca-test:share-server")
