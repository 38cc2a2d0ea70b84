"""One Abaca on two Neutrons that look alike: what is done on one does not touch the other."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from abaca.cli.main import main
from abaca.errors import AddressesExhausted, AllocationLost
from abaca.modes import DriverMode
from abaca.network.neutron import NeutronPlugin
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.testing.wait import until
from support.configuration import Options, text_of
from support.deployment import ask
from support.fault_proxy import DOWN, FaultProxy, fault_proxy
from support.neutron.world import TENANT, Cloud, plugin_on, values
from support.serving import serving

pytestmark = pytest.mark.timeout(300)

CIDR = "10.70.0.0/29"
ROOM = 5
SUBNET = SubnetRef(key="net")
ZONES = ("here", "there")
CONFIG = """\
[DEFAULT]
host = node1
state_path = {folder}/state
listen_port = 0
auth_strategy = none
none_role = admin
none_project_id = {project}
enabled_share_backends = here, there
share_server_idle_seconds = 1
supervise_seconds = 1
report_seconds = 1
"""
BACKEND = """\
[{zone}]
share_driver = fake
driver_mode = managed_multi_svm
network_config_group = net-{zone}
availability_zone = {zone}
[net-{zone}]
network_plugin = neutron
"""


@pytest.fixture
def tag() -> str:
    """The owner tag, on both clouds."""
    return f"twins-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def twins(cloud: Cloud, other_cloud: Cloud, tag: str) -> Iterator[tuple[Cloud, Cloud]]:
    """Both, with nothing of the owner tag left after the test."""
    yield cloud, other_cloud
    assert cloud.left(tag) == other_cloud.left(tag) == []


def plugin_there(cloud: Cloud, tag: str, **more: object) -> NeutronPlugin:
    """On the flat network ``lab`` of that cloud."""
    section = values(cloud.url, network="lab", owner_tag=tag, **more)
    return plugin_on(section, DriverMode.FLAT)


def test_two_instances_side_by_side(twins: tuple[Cloud, Cloud], tag: str) -> None:
    """The same network, owner tag and claims on both: each has its own ports, and only those.

    The credentials differ: there it is a project of its own, without an administrator's role.
    """
    project = uuid.uuid4().hex
    made = [twins[0].network(CIDR, name="lab"), twins[1].network(CIDR, name="lab", project=project)]
    poor = {"noauth_project_id": project, "noauth_user_id": "bob", "noauth_roles": "member,reader"}
    here, there = plugin_there(twins[0], tag), plugin_there(twins[1], tag, **poor)
    claims = [
        Claim(owner=f"server{number}", label=Label.USER, subnet=SUBNET.key, index=0)
        for number in range(ROOM)
    ]
    later = datetime.now(UTC) + timedelta(hours=1)

    kept = there.allocate(SUBNET, claims[:2], host="h")
    assert here.allocate(SUBNET, claims, host="h") != kept
    with pytest.raises(AddressesExhausted):
        here.allocate(SUBNET, [replace(claims[0], index=1)], host="h")
    kept += there.allocate(SUBNET, claims[2:], host="h")
    assert {item.id for item in kept} == set(twins[1].left(tag))
    assert {port["project_id"] for port in twins[1].ports(network_id=made[1]["id"])} == {project}

    here.release(claims[:1])
    assert len(here.orphans(claims[2:], later)) == 1
    assert there.orphans(claims, later) == []
    assert len(here.collect([], later)) == ROOM - 1
    assert twins[0].left(tag) == []
    there.check(kept)
    with pytest.raises(AllocationLost):
        here.check(kept)
    assert there.allocate(SUBNET, claims, host="h") == kept
    there.release(claims)
    for cloud, network in zip(twins, made, strict=True):
        cloud.clear(network["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An Abaca with a backend on each cloud, in a zone of its own."""

    url: str
    file: Path
    tag: str
    clouds: Mapping[str, Cloud]
    proxy: FaultProxy
    """In front of the cloud ``there``."""
    sections: Mapping[str, Mapping[str, object]]
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """An answer that is no refusal."""
        headers = {"X-OpenStack-Manila-API-Version": "2.78"}
        status, answer, _ = ask(method, f"{self.url}/v2{path}", body, headers)
        assert status < 300, (method, path, status, answer)
        return answer

    def share_network(self) -> str:
        """One with a subnet in each zone, which names a network of the cloud there."""
        network: str = self.call("POST", "/share-networks", {"share_network": {}})["share_network"][
            "id"
        ]
        for zone, cloud in self.clouds.items():
            self.networks[zone] = cloud.network(CIDR, name="hers")
            body = {
                "availability_zone": zone,
                "neutron_net_id": self.networks[zone]["id"],
                "neutron_subnet_id": self.networks[zone]["subnet_list"][0]["id"],
            }
            path = f"/share-networks/{network}/subnets"
            self.call("POST", path, {"share-network-subnet": body})
        return network

    def share(self, network: str, zone: str) -> str:
        """One that is being made in that zone."""
        wanted = {
            "share_proto": "NFS",
            "size": 1,
            "share_network_id": network,
            "availability_zone": zone,
            "share_type": "managed",
        }
        return str(self.call("POST", "/shares", {"share": wanted})["share"]["id"])

    def status(self, share: str) -> str:
        """Of a share that has not failed."""
        found = str(self.call("GET", f"/shares/{share}")["share"]["status"])
        assert found != "error", self.call("GET", "/messages")
        return found

    def address(self, share: str) -> str:
        """Where it is mounted from."""
        (found,) = self.call("GET", f"/shares/{share}/export_locations")["export_locations"]
        return str(found["path"].partition(":")[0])

    def ports(self, zone: str) -> set[str]:
        """Addresses of the share servers' ports on the cloud there."""
        found = self.clouds[zone].ports(device_owner=f"{self.tag}:share-server")
        return {item["fixed_ips"][0]["ip_address"] for item in found}

    def stray(self, zone: str) -> str:
        """A port of nobody's on the cloud there, as a crash long ago left it."""
        key, claimed = str(uuid.uuid4()), self.networks[zone]["id"]
        subnet = SubnetRef(key=key, project_id=TENANT, net_id=claimed)
        claim = Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet=key, index=0)
        plugin = plugin_on(self.sections[zone], DriverMode.MANAGED)
        return plugin.allocate(subnet, [claim], host="h")[0].id

    def repaired(self) -> dict[str, str]:
        """What `abaca network orphans --repair` removed, by backend."""
        argv = ["network", "orphans", "--repair", "--older-than", "0", "--format", "json"]
        done = CliRunner().invoke(main, [*argv, "--config-file", str(self.file)])
        assert done.exit_code == 0, done.output
        return {
            item["backend"]: item["what"]
            for item in json.loads(done.stdout)
            if item["state"] == "removed"
        }


@pytest.fixture
def service(
    twins: tuple[Cloud, Cloud], tag: str, tmp_path: Path, stored: Mapping[str, Options]
) -> Iterator[Service]:
    """Running, with a share type for both."""
    clouds = dict(zip(ZONES, twins, strict=True))
    with fault_proxy(clouds["there"].url) as proxy:
        urls = {"here": clouds["here"].url, "there": proxy.url}
        sections = {zone: values(urls[zone], owner_tag=tag) for zone in ZONES}
        text = CONFIG.format(folder=tmp_path, project=TENANT) + text_of(stored)
        for zone, section in sections.items():
            text += BACKEND.format(zone=zone)
            text += "".join(f"{name} = {value}\n" for name, value in section.items())
        file = tmp_path / "abaca.conf"
        file.write_text(text)
        with serving(file, tmp_path / "abaca.log") as (url, _):
            found = Service(
                tag=tag, url=url, file=file, clouds=clouds, proxy=proxy, sections=sections
            )
            specs = {"driver_handles_share_servers": "true", "driver_mode": "managed_multi_svm"}
            found.call("POST", "/types", {"share_type": {"name": "managed", "extra_specs": specs}})
            yield found
            for zone, network in found.networks.items():
                clouds[zone].clear(network["id"])


def test_one_share_network_on_two_clouds(service: Service) -> None:
    """Shares of one share network have ports on the cloud of their zone, and on no other.

    Orphans are found and removed where they are. While one cloud is down the other is served.
    """
    network = service.share_network()
    shares = {zone: service.share(network, zone) for zone in ZONES}
    until(
        lambda: {service.status(item) for item in shares.values()} == {"available"},
        "both are available",
        seconds=60,
    )
    for zone, share in shares.items():
        address = service.address(share)
        assert ip_address(address) in ip_network(CIDR)
        assert service.ports(zone) == {address}

    strays = {zone: service.stray(zone) for zone in ZONES}
    removed = service.repaired()
    assert set(removed) == set(ZONES)
    for zone, share in shares.items():
        assert strays[zone] in removed[zone]
        assert service.ports(zone) == {service.address(share)}

    with service.proxy.failing(DOWN):
        for share in shares.values():
            service.call("DELETE", f"/shares/{share}")
        until(lambda: not service.ports("here"), "gone from the cloud that answers")
        asked = len(service.proxy.calls)
        until(lambda: len(service.proxy.calls) > asked, "the other one is asked again", seconds=60)
        assert len(service.ports("there")) == 1
    until(lambda: not service.ports("there"), "gone from the other, too", seconds=60)
