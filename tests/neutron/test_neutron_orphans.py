"""Ports of nobody in a real Neutron: the command tells and removes them, and so does the audit."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from abaca.cli.main import main
from abaca.config import load
from abaca.db.database import Database
from abaca.manager.comparison import compare_all
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.model.finding import Direction
from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.service.managers import make_backends
from abaca.service.state import open_database
from abaca.testing.wait import until
from support.configuration import Options, text_of
from support.neutron.world import TENANT, Cloud, plugin_on, values

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A backend on a Neutron network, and a port that no share server has."""

    file: Path
    tag: str
    stray: str
    db: Database


@pytest.fixture
def scene(cloud: Cloud, tmp_path: Path, stored: Mapping[str, Options]) -> Iterator[Scene]:
    """As a crash long ago left it."""
    network = cloud.network("10.62.0.0/24")
    section = values(cloud.url, network=network["id"])
    claim = Claim(owner=str(uuid.uuid4()), label=Label.USER, subnet="net", index=0)
    subnet = SubnetRef(key="net", project_id=TENANT, net_id=None)
    plugin = plugin_on(section, DriverMode.FLAT)
    (found,) = plugin.allocate(subnet, [claim], host="h")
    file = tmp_path / "abaca.conf"
    file.write_text(
        f"[DEFAULT]\nhost = n1\nstate_path = {tmp_path}/state\nenabled_share_backends = one\n"
        "[one]\nshare_driver = fake\ndriver_mode = flat_multi_svm\nnetwork_config_group = net\n"
        + text_of({"net": {"network_plugin": "neutron", **section}, **stored})
    )
    time.sleep(1.1)  # Neutron's times are in whole seconds
    db = open_database(load((file,), ()).service)
    yield Scene(file=file, tag=str(section["owner_tag"]), stray=str(found.id), db=db)
    db.close()


def orphans(scene: Scene, *options: str) -> list[dict[str, str]]:
    """What the command finds."""
    argv = ["network", "orphans", "--format", "json", "--config-file", str(scene.file), *options]
    done = CliRunner().invoke(main, argv)
    assert done.exit_code == 0, done.output
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_the_command(scene: Scene, cloud: Cloud) -> None:
    """Listing changes nothing, the young is passed over, --repair removes it and nothing else."""
    others = cloud.network("10.63.0.0/24")
    body = {"network_id": others["id"], "device_owner": "compute:nova", "name": "abaca/user/0/net"}
    foreign = cloud.call("POST", "/ports", {"port": body})["port"]["id"]
    assert orphans(scene) == []
    (found,) = orphans(scene, "--older-than", "0")
    assert (found["backend"], found["kind"], found["state"]) == ("one", "network", "found")
    assert scene.stray in found["what"]
    assert cloud.left(scene.tag) == [scene.stray]
    assert orphans(scene, "--older-than", "0", "--repair") == [{**found, "state": "removed"}]
    assert orphans(scene, "--older-than", "0") == []
    assert cloud.left(scene.tag) == []
    assert cloud.call("GET", f"/ports/{foreign}")["port"]["id"] == foreign


def test_the_audit(scene: Scene, cloud: Cloud) -> None:
    """It is seen as a thing in the world that no row knows of, and a running manager removes it."""
    backends = make_backends(load((scene.file,), ()), scene.db)
    (compared,) = compare_all(scene.db, backends).values()
    seen = compared.discrepancies
    assert [(item.kind, item.direction) for item in seen] == [
        ("network", Direction.MISSING_IN_LEDGER)
    ]
    assert cloud.left(scene.tag) == [scene.stray]
    options = ManagerOptions(
        supervise_seconds=60, audit_seconds=0.1, confirm_seconds=0.1, orphan_seconds=0
    )
    manager = ShareManager(scene.db, backends, replace(options, report_seconds=0.5))
    manager.start()
    try:
        until(lambda: cloud.left(scene.tag) == [], "the audit removed it", seconds=60)
    finally:
        assert manager.stop(), "work was left under way"
