"""Backends of the linux driver, each on a host of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_interface, ip_network
from typing import cast

from abaca.drivers.driver import (
    AccessLevel,
    AccessRule,
    BackendHost,
    Driver,
    ExportLocation,
    Inspects,
    Oddity,
    Server,
    Share,
)
from abaca.drivers.linux import LinuxDriver
from abaca.linux import netns
from abaca.linux.fabric import LinuxFabric
from abaca.linux.wire import Wire
from abaca.modes import DriverMode
from abaca.testing.helpers import FixedFlat, FixedManaged, address, vxlan
from support.hostns import Host, Inside, Machine


@dataclass
class Backend:
    """A driver in a mode, the host that it is on, and machines on its wires."""

    mode: DriverMode
    host: Host
    values: dict[str, object]
    name: str = "one"

    def driver(self) -> Driver:
        """A driver instance, as a manager that has just been started makes it."""
        lent = BackendHost(
            backend=self.name,
            mode=self.mode,
            host="host",
            state_path=self.host.folder / "state",
            deployment=self.host.deployment,
        )
        assert LinuxDriver.faults(self.name, self.values, self.mode) == []
        made = self.host.inside(lambda: LinuxDriver.from_config(self.name, self.values, lent))
        return cast("Driver", Inside(made, self.host.netns))

    def network(self, number: int) -> FixedFlat | FixedManaged:
        """What the helper gives to the server of this number."""
        if self.mode is DriverMode.FLAT:
            return FixedFlat((address(f"10.9.0.{number}/24"), address(f"fd09::{number}/64")))
        text = (f"10.{number}.0.9/24", f"fd0a:{number}::9/64")
        return FixedManaged((vxlan(7000 + number, *text),))

    def with_admins(self, number: int) -> FixedFlat | FixedManaged:
        """The same, with addresses on the administrators' network, behind its gateway."""
        admin = FixedFlat(
            (
                address(f"10.66.0.{10 + number}/24", gateway="10.66.0.1"),
                address(f"fd66::{10 + number}/64"),
            )
        )
        return replace(self.network(number), admin=admin)

    def machine(self, number: int) -> Machine:
        """A tenant's machine that is on the wire of the server of this number."""
        machine = self.host.machine(f"m{number}")
        port = f"m{number}"
        if self.mode is DriverMode.SINGLE:
            self.host.cable(machine, port, f"10.9.{number}.2/24", f"fd09:{number}::2/64")
            self.host.ip("addr", "add", f"10.9.{number}.1/24", "dev", port)
            self.host.ip("addr", "add", f"fd09:{number}::1/64", "dev", port, "nodad")
            machine.run("ip", "route", "add", "default", "via", f"10.9.{number}.1")
            machine.run("ip", "route", "add", "default", "via", f"fd09:{number}::1")
        elif self.mode is DriverMode.FLAT:
            self.host.cable(machine, port, f"10.9.0.{100 + number}/24", f"fd09::{100 + number}/64")
            self.host.ip("link", "set", port, "master", "br-flat")
        else:
            self._join_vxlan(machine, number)
        return machine

    def _join_vxlan(self, machine: Machine, number: int) -> None:
        """Plug the machine into its segment on the other host, as a compute node does."""
        text = (f"10.{number}.0.100/24", f"fd0a:{number}::100/64")
        compute = self.host.compute

        def plug() -> None:
            LinuxFabric(compute.options).attach(
                Wire(network_type="vxlan", segmentation_id=7000 + number, physical_network=None,
                     mtu=1450),
                netns=machine.netns,
                interface="eth0",
                mac=None,
                addresses=tuple(ip_interface(item) for item in text),
                gateways=(),
            )  # fmt: skip

        netns.call_inside(compute.netns, plug)


def add_admin_bridge(made: Host) -> None:
    """The bridge of the administrators' network."""
    made.ip("link", "add", "br-admin", "type", "bridge")
    made.ip("link", "set", "br-admin", "up")


def single(made: Host) -> Backend:
    """single_svm on 10.9.9.9."""
    made.ip("addr", "add", "10.9.9.9/32", "dev", "lo")
    values: dict[str, object] = {
        "storage_path": str(made.folder / "storage"),
        "export_addresses": ["10.9.9.9"],
    }
    return Backend(DriverMode.SINGLE, made, values)


def flat(made: Host) -> Backend:
    """flat_multi_svm on the bridge br-flat."""
    made.ip("link", "add", "br-flat", "type", "bridge")
    made.ip("link", "set", "br-flat", "up")
    add_admin_bridge(made)
    values: dict[str, object] = {
        "storage_path": str(made.folder / "storage"),
        "bridge_mappings": ["flat:br-flat", "admin:br-admin"],
    }
    return Backend(DriverMode.FLAT, made, values)


def managed(made: Host) -> Backend:
    """managed_multi_svm with VXLAN to a compute host, which is another namespace."""
    other = made.add_compute()
    add_admin_bridge(made)
    values: dict[str, object] = {
        "storage_path": str(made.folder / "storage"),
        "bridge_mappings": ["admin:br-admin"],
        "vxlan_local": other.peer,
        "vxlan_peers": [other.address],
    }
    return Backend(DriverMode.MANAGED, made, values)


MAKERS = {DriverMode.SINGLE: single, DriverMode.FLAT: flat, DriverMode.MANAGED: managed}


@dataclass
class Scene:
    """A share of a project, its machine, and where it mounts."""

    backend: Backend
    driver: Driver
    machine: Machine
    share: Share
    locations: list[ExportLocation]

    @property
    def location(self) -> str:
        """The first export location."""
        return self.locations[0].path

    def rule(self, level: AccessLevel = AccessLevel.READ_WRITE) -> AccessRule:
        """A rule for everybody on the machine's networks."""
        return AccessRule(network=ip_network("10.0.0.0/8"), level=level)


def server_of(backend: Backend, number: int) -> Server | None:
    """The server of project ``pN``, if the mode has servers."""
    if not backend.mode.has_share_servers:
        return None
    return Server(id=f"{number:08d}-0000-4000-8000-{number:012d}", project_id=f"p{number}")


def a_share(
    backend: Backend, number: int, *, name: str = "a", size: int = 1, export: int = 5
) -> Share:
    """A share of project ``pN``."""
    return Share(
        id=f"share-{number}{name}",
        project_id=f"p{number}",
        size_gib=size,
        protocol="NFS",
        export_id=export + number * 100,
        server=server_of(backend, number),
    )


def scene(backend: Backend, number: int = 1, *, driver: Driver | None = None) -> Scene:
    """A share that its project's machine may write to."""
    made = driver if driver is not None else backend.driver()
    if driver is None:
        made.start()
    share = a_share(backend, number)
    if share.server is not None:
        made.ensure_server(share.server, backend.network(number))
    machine = backend.machine(number)
    locations = made.ensure_share(share, None)
    result = Scene(backend, made, machine, share, locations)
    made.apply_access(share, [result.rule()])
    return result


def odd(made: Scene) -> dict[tuple[str, bool], Oddity]:
    """What is odd, by kind and whether it is missing."""
    found = cast("Inspects", made.driver).oddities()
    by_kind = {(item.kind, item.missing): item for item in found}
    assert len(by_kind) == len(found), found
    return by_kind


def discard(made: Scene, oddity: Oddity) -> bool:
    """Have the driver remove it."""
    return cast("Inspects", made.driver).discard(oddity)
