"""Shares over Neutron networks: the addresses are its ports, and tenants mount by them."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from abaca.demo import nfs
from abaca.demo.topology import DIRECT_CIDR, VLAN_CIDR
from support.demo_config import demo_config
from support.neutron.fault_proxy import Fault, FaultProxy
from support.neutron.server import AGENT_HOST, NeutronServer, empty_database, installed
from support.neutron.world import Cloud, section

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("databases"),
]

OUTAGE_SECONDS = float(os.environ.get("ABACA_TEST_OUTAGE_SECONDS", "0"))
PORT, BEHIND = 9696, 9697
"""What Abaca asks is a proxy; Neutron is behind it."""
NEUTRON = f"http://127.0.0.1:{PORT}"
OURS = "abaca-test:share-server"
FLAT_CIDR = "10.10.0.0/24"
FLAT_NETWORK = {
    "name": "lab-flat1",
    "provider:network_type": "flat",
    "provider:physical_network": "flat1",
}


def pool(cidr: str) -> dict[str, object]:
    """Where Neutron may take addresses: not those that machines of the demonstration have."""
    net = ip_network(cidr)
    return {"allocation_pools": [{"start": str(net[10]), "end": str(net[99])}]}


@pytest.fixture(scope="module")
def neutron(tmp_path_factory: pytest.TempPathFactory) -> NeutronServer:
    """Not started yet: it will run on the storage host, which is to be made."""
    empty_database(installed())
    return NeutronServer(home=tmp_path_factory.mktemp("neutron"), port=BEHIND)


@pytest.fixture(scope="module")
def proxy() -> FaultProxy:
    """Not started yet either."""
    return FaultProxy(target=BEHIND, port=PORT)


@pytest.fixture(scope="module")
def beside(
    neutron: NeutronServer, proxy: FaultProxy
) -> Callable[[Any], AbstractContextManager[object]]:
    """Neutron with the operator's flat network."""

    @contextmanager
    def running(_site: Any) -> Iterator[None]:
        neutron.start()
        proxy.start()
        try:
            cloud = Cloud(neutron.url)
            cloud.subnet(cloud.network(**FLAT_NETWORK), FLAT_CIDR, **pool(FLAT_CIDR))
            yield
        finally:
            proxy.stop()
            neutron.stop()

    return running


@pytest.fixture(scope="module")
def site_config() -> str:
    """Backends whose addresses are Neutron's."""
    return demo_config(
        *("cluster1", "direct", "vlan"),
        flat1=section(NEUTRON, network="lab-flat1"),
        tenants=section(NEUTRON, binding_host=AGENT_HOST),
    )


@pytest.fixture(scope="module")
def cloud(site: Any, neutron: NeutronServer) -> Cloud:
    """The operator's and the tenants' hands, on the storage host."""
    assert site
    return Cloud(neutron.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A backend, and the wire on which alice's machine is already."""

    backend: str
    cidr: str
    provider: dict[str, object] | None
    """None in flat mode."""


PLACES = [
    Place(backend="cluster1", cidr=FLAT_CIDR, provider=None),
    Place(
        backend="direct",
        cidr=DIRECT_CIDR,
        provider={"provider:network_type": "vxlan", "provider:segmentation_id": 5201},
    ),
    Place(
        backend="vlan",
        cidr=VLAN_CIDR,
        provider={
            "provider:network_type": "vlan",
            "provider:physical_network": "physnet1",
            "provider:segmentation_id": 201,
        },
    ),
]


def share_network(site: Any, cloud: Cloud, place: Place) -> Any:
    """A share network of alice's; managed: on a new Neutron network of her project."""
    name = f"{place.backend}-{secrets.token_hex(2)}"
    networks = site.clients["alice"].share_networks
    if place.provider is None:
        return networks.create(name=name)
    probe = networks.create(name="probe")
    project = probe.project_id
    networks.delete(probe)
    for old in cloud.call("GET", "/networks", query={"project_id": project})["networks"]:
        cloud.clear(old["id"])
    network = cloud.network(project=project, **place.provider)
    subnet = cloud.subnet(network, place.cidr, **pool(place.cidr))
    return networks.create(name=name, neutron_net_id=network["id"], neutron_subnet_id=subnet["id"])


def share_on(site: Any, network: Any, backend: str) -> Any:
    """A share being created."""
    shares = site.clients["alice"].shares
    return shares.create("NFS", 1, share_type=backend, share_network=network)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.backend)
def test_mount(site: Any, cloud: Cloud, place: Place):
    """Alice writes and reads over her network; the export's address is that of one bound port."""
    network = share_network(site, cloud, place)
    share = site.settled(share_on(site, network, place.backend))
    site.allow(share, site.alice.address({"cluster1": "flat1"}.get(place.backend, place.backend)))
    export = site.export(share)
    assert nfs.write(site.alice, export, "file", b"over neutron") == nfs.read(
        site.alice, export, "file"
    )
    (port,) = cloud.ports(device_owner=OURS)
    assert port["fixed_ips"][0]["ip_address"] == export.partition(":")[0]
    assert ip_address(port["fixed_ips"][0]["ip_address"]) in ip_network(place.cidr)
    assert port["binding:vif_type"] == ("unbound" if place.provider is None else "ovs")
    server = site.clients["admin"].share_servers.get(port["device_id"])
    assert server.share_network_id == network.id
    site.clear()
    assert not cloud.ports(device_owner=OURS)


def test_neutron_stops_in_the_middle_of_a_create(
    site: Any, cloud: Cloud, neutron: NeutronServer, proxy: FaultProxy
):
    """It makes the port and is gone before it says so. Started again: one port, and the share.

    It stays away for as long as ABACA_TEST_OUTAGE_SECONDS says; if that is not set, until Abaca
    has found nobody there once.
    """
    network = share_network(site, cloud, PLACES[1])
    asked = threading.Event()

    def gone(method: str, path: str) -> Fault | None:
        if asked.is_set():
            return Fault(drop=True)
        if method == "POST" and path.startswith("/v2.0/ports"):
            asked.set()
            return Fault(done=True, drop=True)
        return None

    proxy.fault = gone
    share = share_on(site, network, "direct")
    site.until(lambda: cloud.ports(device_owner=OURS), "the port is made")
    proxy.stop()
    neutron.stop()
    known = len(site.service.log.read_text())
    try:
        site.until(
            lambda: "Connection refused" in site.service.log.read_text()[known:],
            "nobody is found there",
        )
        end = time.monotonic() + OUTAGE_SECONDS
        while time.monotonic() < end:
            assert share.manager.get(share.id).status == "creating"
            time.sleep(0.5)
        assert share.manager.get(share.id).status == "creating"
    finally:
        proxy.fault = lambda _method, _path: None
        neutron.start()
        proxy.start()
    site.settled(share)
    (port,) = cloud.ports(device_owner=OURS)
    assert port["fixed_ips"][0]["ip_address"] == site.export(share).partition(":")[0]
    site.clear()
    assert not cloud.ports(device_owner=OURS)
