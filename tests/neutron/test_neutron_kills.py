"""A process killed around any call to Neutron, and another that goes on where it was."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from abaca.steps import names
from support.neutron.life import STAGES, Nursery, Spec, nursery
from support.neutron.world import OTHER_TENANT, TENANT, Cloud, values

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

CALLS = [
    # To a network and an interface for the server,
    *("neutron.extensions", "neutron.network", "neutron.shared_with", "neutron.subnets"),
    *("neutron.ports", "neutron.project", "neutron.networks", "neutron.create_network"),
    *("neutron.router_routes", "neutron.create_subnet", "neutron.add_interface"),
    # to one subnet of two, a port, its host, its absence, its return,
    *("neutron.delete_subnet", "neutron.create_ports"),
    *("neutron.update_port", "neutron.update_port", "neutron.update_port"),
    # and to nothing.
    *("neutron.delete_port", "neutron.remove_interface", "neutron.delete_network"),
]
"""In the order of a life; a question only where it comes first."""


@dataclass(slots=True, kw_only=True)
class Heirs:
    """Processes that live one life, one after the other."""

    parent: Nursery
    section: dict[str, object]
    net_id: str
    record: Path
    key: str
    owner: str

    def die_at(self, fault: str) -> bool:
        """The next one goes on; True if it died there, False if it came to the end."""
        begin = int(self.record.read_text()) if self.record.exists() else 0
        spec = Spec(
            section=self.section,
            key=self.key,
            net_id=self.net_id,
            owner=self.owner,
            begin=begin,
            fault=fault,
            record=str(self.record),
        )
        code = self.parent.live(spec)
        assert code in {0, -signal.SIGKILL}, f"{STAGES[begin].__name__} to {fault}: exit {code}"
        return code != 0


@pytest.fixture
def heirs(cloud: Cloud, tmp_path: Path) -> Iterator[Heirs]:
    """Of a server on a network that another project lets the tenant use, behind a router."""
    network = cloud.network("10.41.0.0/24", project=OTHER_TENANT)
    rule = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    cloud.call("POST", "/rbac-policies", {"rbac_policy": {**rule, "target_tenant": TENANT}})
    cloud.router(*network["subnet_list"])
    routed = {"connectivity": "routed", "service_cidr": "10.254.0.0/16"}
    with nursery() as parent:
        yield Heirs(
            parent=parent,
            section=values(cloud.url, binding_host=None, **routed),
            net_id=network["id"],
            record=tmp_path / "stage",
            key=str(uuid.uuid4()),
            owner=str(uuid.uuid4()),
        )


def left(cloud: Cloud, heirs: Heirs) -> list[object]:
    """What is in Neutron of theirs, forgotten things included."""
    tag = str(heirs.section["owner_tag"])
    return [*cloud.left(tag), *cloud.ports(device_owner=f"{tag}:forgotten")]


def test_killed_around_every_call(cloud: Cloud, heirs: Heirs) -> None:
    """Killed before it and after it, each time that it is due: one port, and at the end nothing.

    What each stage of the life must have brought about, its processes see to.
    """
    for step in CALLS:
        for side in ("before", "after"):
            assert heirs.die_at(f"{step}:{side}"), f"{step} was not due"
    assert not heirs.die_at("nowhere")
    assert left(cloud, heirs) == []


def test_every_call_is_tried() -> None:
    """No remote call is left out above, nor is there one that has gone."""
    assert {name for name in names() if name.startswith("neutron.")} == set(CALLS)
