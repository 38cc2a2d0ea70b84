"""The life of a share server's address on a real Neutron, in processes that are killed.

Run as a program it reads one JSON `Spec` per line, forks a process that lives from
there on, and answers with how that ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

from abaca.modes import DriverMode
from abaca.network.plugin import Claim, Label, SubnetRef
from abaca.steps import FAULT_VARIABLE
from support.neutron.server import AGENT_HOST
from support.neutron.world import TENANT, Cloud, plugin_on

TESTS = Path(__file__).parents[2]
SLOW_TO_IMPORT = ("openstack.connection", "keystoneauth1.adapter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One process."""

    section: dict[str, object]
    key: str
    """Of the share network subnet."""
    net_id: str
    owner: str
    begin: int
    """The stage to begin with."""
    fault: str
    """Where it dies."""
    record: str
    """File with the stage that it is in."""


class Life:
    """A share server's, whose tenant's network is ``net_id``. Each stage may be repeated."""

    def __init__(self, section: dict[str, object], subnet: SubnetRef, owner: str) -> None:
        self.cloud = Cloud(str(section["endpoint_override"]))
        self.plugin = plugin_on(section, DriverMode.MANAGED)
        self.subnet = subnet
        self.claim = Claim(owner=owner, label=Label.USER, subnet=subnet.key, index=0)
        self._section = section
        self._name = f"{section['owner_tag']}/{subnet.key}"

    def begin(self) -> None:
        """Neutron is there, and so is the service network."""
        self.plugin.status()
        self.plugin.ensure_network(self.subnet, host="h")

    def collide(self) -> None:
        """Another host makes a subnet for it at the same time."""
        if len(self._subnets()) == 1:
            (network,) = self.cloud.call("GET", "/networks", query={"name": self._name})["networks"]
            self.cloud.subnet(network, "10.254.255.0/28")

    def agree(self) -> None:
        """One of them goes."""
        self.plugin.ensure_network(self.subnet, host="h")
        assert len(self._subnets()) == 1

    def arrive(self) -> None:
        """A port that is on no host yet."""
        unbound = plugin_on({**self._section, "bind_ports": False}, DriverMode.MANAGED)
        unbound.allocate(self.subnet, [self.claim], host=AGENT_HOST)
        self._port()

    def bind(self) -> None:
        """It is bound to a host, and works."""
        self.plugin.check(self.plugin.allocate(self.subnet, [self.claim], host=AGENT_HOST))
        self._port()

    def leave(self) -> None:
        """The server is not ours any more: nobody takes its port, or its network, away."""
        self.plugin.forget([self.claim])
        assert self.plugin.collect([], datetime.now(UTC) + timedelta(hours=1)) == []
        assert self._port()["device_owner"].endswith(":forgotten")

    def come_back(self) -> None:
        """The port is the server's again."""
        port = self._port()
        address = ip_address(port["fixed_ips"][0]["ip_address"])
        (found,) = self.plugin.adopt(self.subnet, {address: self.claim})
        assert found.id == port["id"]
        self.plugin.check([found])

    def end(self) -> None:
        """Nothing is left of either."""
        self.plugin.release([self.claim])
        self.plugin.remove_network(self.subnet, host="h")

    def _subnets(self) -> list[Any]:
        return list(self.cloud.call("GET", "/subnets", query={"name": self._name})["subnets"])

    def _port(self) -> dict[str, Any]:
        """The only one that the server ever has."""
        (found,) = self.cloud.ports(device_id=self.claim.owner)
        return found


STAGES: tuple[Callable[[Life], None], ...] = (
    *(Life.begin, Life.collide, Life.agree, Life.arrive, Life.bind),
    *(Life.leave, Life.come_back, Life.end),
)


def live(spec: Spec) -> None:
    """From a stage to the end."""
    subnet = SubnetRef(key=spec.key, project_id=TENANT, net_id=spec.net_id)
    life = Life(spec.section, subnet, spec.owner)
    for number, stage in enumerate(STAGES[spec.begin :], spec.begin):
        Path(spec.record).write_text(str(number))
        stage(life)


def main() -> None:
    """Fork processes as the input says."""
    for name in SLOW_TO_IMPORT:
        import_module(name)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            _in_child(Spec(**json.loads(line)))
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _in_child(spec: Spec) -> NoReturn:
    os.environ[FAULT_VARIABLE] = spec.fault
    code = 1
    try:
        live(spec)
        code = 0
    except Exception:  # noqa: BLE001 - whatever it is, the test prints it
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


class Nursery:
    """The process that forks, from a test's side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def live(self, spec: Spec) -> int:
        """How a process ended: its exit code, or less a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(spec)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    """One that ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Nursery(process)
    finally:
        process.communicate(timeout=60)


if __name__ == "__main__":
    main()
