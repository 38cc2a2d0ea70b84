"""Addresses of nobody in a real nova: the command tells them, and gives them back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner

from abaca.cli.main import main
from abaca.config import load
from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.service.state import open_database
from support.configuration import Options, text_of
from support.nova.server import FLAT, PROJECT, NovaServer
from support.nova.world import access, left_in, plugin_on


def orphans(file: Path, *options: str) -> list[dict[str, str]]:
    """What the command finds."""
    argv = ["network", "orphans", "--format", "json", "--config-file", str(file), *options]
    done = CliRunner().invoke(main, argv)
    assert done.exit_code == 0, done.output
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_the_command(nova: NovaServer, tmp_path: Path, stored: Mapping[str, Options]) -> None:
    """Listing changes nothing, the young is passed over, --repair frees it in nova and ledger."""
    section = access(nova.url, network=FLAT)
    file = tmp_path / "abaca.conf"
    file.write_text(
        f"[DEFAULT]\nhost = n1\nstate_path = {tmp_path}/state\nenabled_share_backends = one\n"
        "[one]\nshare_driver = fake\ndriver_mode = flat_multi_svm\nnetwork_config_group = net\n"
        + text_of({"net": {"network_plugin": "nova", **section}, **stored})
    )
    db = open_database(load((file,), ()).service)
    try:
        stray = Claim(owner="gone", label=Label.USER, subnet="net", index=0)
        subnet = SubnetRef(key="net", project_id=PROJECT, net_id=None)
        (given,) = plugin_on(db, section, DriverMode.FLAT).allocate(subnet, [stray], host="h")
        time.sleep(0.01)
        assert orphans(file) == []
        (found,) = orphans(file, "--older-than", "0")
        assert (found["backend"], found["kind"], found["state"]) == ("one", "network", "found")
        assert "gone" in found["what"]
        assert str(given.addresses[0]) in nova.reserved()
        assert orphans(file, "--older-than", "0", "--repair") == [{**found, "state": "removed"}]
        assert orphans(file, "--older-than", "0") == []
        assert left_in(nova, db) == []
    finally:
        db.close()
