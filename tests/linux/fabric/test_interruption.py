"""Killed at every point, called at once by many, and nothing lost in this process."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import fabric_act
import pytest
from fabric_stage import Site, Stage, flat, vxlan

from abaca import steps
from abaca.linux import netns
from abaca.testing.netns import Machine, bridge
from abaca.testing.world import left_behind

pytestmark = pytest.mark.dataplane

POINTS = [
    f"{name}:{edge}"
    for name in steps.names()
    if name.startswith("fabric.")
    for edge in ("before", "after")
]
BUILD = ("attach", "router", "join")
CLEAR = ("leave", "detach", "remove-router")


@pytest.fixture
def site(stage: Stage) -> Site:
    """A host that has the address for VXLAN, and a flat bridge."""
    host = stage.machine("host")
    bridge(host, "br-flat", "10.99.0.1/24")
    bridge(host, "br-tenant")
    return stage.site(
        host, vxlan_local=ip_address("10.99.0.1"), bridge_mappings={"flat": "br-flat"}
    )


def killed(site: Site, target: Machine, verb: str, fault: str) -> bool:
    """Do a verb in a process of its own; True if it was killed at this point, False if it ended."""
    argv = ["nsenter", f"--net={netns.path(site.host.name)}", sys.executable]
    argv += [fabric_act.__file__, verb, json.dumps(wanted(site, target))]
    environment = {**os.environ, steps.FAULT_VARIABLE: fault}
    code = subprocess.run(argv, env=environment, check=False, timeout=60).returncode
    assert code in {0, -signal.SIGKILL}
    return code != 0


def repeat(site: Site, target: Machine, verb: str) -> None:
    """Do a verb here, undisturbed."""
    site.host.call(lambda: fabric_act.main(verb, wanted(site, target)))


def wanted(site: Site, target: Machine) -> dict[str, str]:
    """What the verbs are told."""
    return {"deployment": site.deployment, "netns": target.name}


def test_the_points_are_those_expected() -> None:
    """Every step of the fabric is registered, so that none is missed below."""
    assert {point.rpartition(":")[0] for point in POINTS} == {
        "fabric.wire",
        "fabric.plug",
        "fabric.dress",
        "fabric.unplug",
        "fabric.router.remove",
        "fabric.bridge.join",
        "fabric.bridge.leave",
    }


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_is_mended_by_repetition(stage: Stage, site: Site, point: str) -> None:
    """A process killed there, then the same calls again: all works, and removal leaves nothing."""
    before = site.world()
    server = stage.machine("server")
    kills = 0
    for verb in BUILD:
        kills += killed(site, server, verb, point)
        repeat(site, server, verb)
    assert server.pings("10.8.0.1")
    assert server.pings("10.7.0.1")
    for verb in CLEAR:
        kills += killed(site, server, verb, point)
        repeat(site, server, verb)
    assert kills > 0, f"{point} was never reached"
    assert left_behind(before, site.world()) == []


def test_a_kill_in_the_middle_needs_only_the_removal(stage: Stage, site: Site) -> None:
    """What an unfinished attach left is removed by detach alone."""
    before = site.world()
    server = stage.machine("server")
    for point in ("fabric.wire:after", "fabric.plug:after"):
        assert killed(site, server, "attach", point)
        assert left_behind(before, site.world()) != []
        site.detach(server)
        assert left_behind(before, site.world()) == []


def test_many_at_once_on_one_wire(stage: Stage, site: Site) -> None:
    """Attached and detached in parallel, wires come and go without an error, and all is tidy."""
    before = site.world()
    servers = [stage.machine("server") for _ in range(8)]

    def live(number: int) -> bool:
        address = f"10.8.{number}.5/16"
        for _ in range(2):
            site.attach(servers[number], vxlan(31 + number % 2), address)
            site.detach(servers[number])
        site.attach(servers[number], vxlan(31), address)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(live, range(8)))
    assert servers[0].pings("10.8.7.5")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(site.detach, servers))
    assert left_behind(before, site.world()) == []


def test_this_process_keeps_nothing(stage: Stage, site: Site) -> None:
    """No descriptor, thread or child process stays after many calls, nor a lock file."""
    server = stage.machine("server")

    def cycle() -> None:
        site.attach(server, vxlan(41), "10.8.0.5/24")
        site.attach(server, flat(), "10.9.0.5/24", interface="eth1")
        site.detach(server)
        site.detach(server, "eth1")

    def held() -> tuple[int, int, int]:
        gc.collect()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), len(children)

    cycle()
    before = held()
    for _ in range(3):
        cycle()
    # What tests before this one have left may go meanwhile.
    assert all(now <= then for now, then in zip(held(), before, strict=True))
    assert not list(Path("/run/lock").glob(f"*{site.deployment}*"))
