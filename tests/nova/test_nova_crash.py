"""A process killed around any call to nova, and another that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from abaca.db.database import Database
from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.steps import FAULT_VARIABLE, names
from support.nova.server import DUAL, PROJECT, NovaServer
from support.nova.world import access, left_in, plugin_on

SUBNET = SubnetRef(key="share-net", project_id=PROJECT, net_id=DUAL)
CLAIMS = [
    Claim(owner="server1", label=Label.USER, subnet=SUBNET.key, index=index) for index in (0, 1)
]
STEPS = [name for name in names() if name.startswith("nova.") and name != "nova.networks"]
"""A managed section never lists networks."""
TESTS = Path(__file__).parents[1]


def life(url: str, values: Mapping[str, object]) -> None:
    """Two interfaces are taken and given back."""
    database = Database(url)
    plugin = plugin_on(database, values, DriverMode.MANAGED)
    plugin.allocate(SUBNET, CLAIMS, host="host1")
    plugin.release(CLAIMS)
    database.close()


def in_another_process(url: str, values: Mapping[str, object], fault: str) -> int:
    """The same, in a process that dies at a point; its exit status."""
    code = "import sys, json, runpy; runpy.run_path(sys.argv[1])['life'](*json.loads(sys.argv[2]))"
    done = subprocess.run(
        [sys.executable, "-c", code, __file__, json.dumps([url, values])],
        env={**os.environ, "PYTHONPATH": str(TESTS), FAULT_VARIABLE: fault},
        timeout=60,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_around_a_call(nova: NovaServer, database: Database, step: str, side: str) -> None:
    """Repeated, the same claims have addresses each of its own; released, nothing is left."""
    url = database.engine.url.render_as_string(hide_password=False)
    values = access(nova.url)
    for number in (1, 2):
        killed = in_another_process(url, values, f"{step}:{side}:{number}")
        assert killed == -signal.SIGKILL
        plugin = plugin_on(database, values, DriverMode.MANAGED)
        found = plugin.allocate(SUBNET, CLAIMS, host="host1")
        plugin.check(found)
        assert plugin.allocate(SUBNET, CLAIMS, host="host1") == found
        assert len({item.addresses for item in found}) == len(CLAIMS)
        plugin.release(CLAIMS)
        assert left_in(nova, database) == []


def test_every_call_is_a_step() -> None:
    """Every request to nova is made inside a step that the crash tests know."""
    assert set(STEPS) == {"nova.network", "nova.fixed_ip", "nova.reserve", "nova.unreserve"}
