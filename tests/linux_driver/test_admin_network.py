"""Share servers with an interface on a network of the administrators', apart from the tenants'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from abaca.drivers.driver import AccessLevel, AccessRule
from support.hostns import Host, Machine, host, reboot
from support.linux_scene import Backend, Scene, a_share, flat, managed, scene
from support.nfs4 import Nfs4Client

pytestmark = pytest.mark.dataplane

ADMIN = ("10.66.0.11", "fd66::11")
EVERYBODY = [
    AccessRule(network=ip_network(text), level=AccessLevel.READ_WRITE)
    for text in ("0.0.0.0/0", "::/0")
]


@dataclass(frozen=True)
class Stage:
    """A share of a tenant, the tenant's machine, and a machine of the administrators."""

    made: Scene
    host: Host
    admins: Machine

    @property
    def tenant(self) -> Machine:
        """The tenant's machine."""
        return self.made.machine

    @property
    def own(self) -> list[str]:
        """The server's addresses on the tenant's network."""
        return [item for item, hidden in self.addresses() if not hidden]

    def addresses(self) -> list[tuple[str, bool]]:
        """Of each export location, and whether it is for administrators only."""
        return [
            (item.path.rpartition(":/")[0].strip("[]"), item.is_admin_only)
            for item in self.made.locations
        ]

    def server(self, *argv: str) -> str:
        """A program in the server's namespace."""
        share = self.made.share
        assert share.server is not None
        (name,) = [item for item in self.host.servers() if item.endswith(share.server.key)]
        done = Machine(name).run(*argv)
        return done.stdout + done.stderr


EACH_MODE = pytest.mark.parametrize("mode", [flat, managed], ids=["flat", "managed"])


@contextmanager
def staged(folder: Path, mode: Callable[[Host], Backend]) -> Iterator[Stage]:
    """One in this mode; the administrators' machine is their network's gateway."""
    with host(folder) as made_host:
        backend = mode(made_host)
        made = scene(backend)
        assert made.share.server is not None
        made.driver.ensure_server(made.share.server, backend.with_admins(1))
        made.locations[:] = made.driver.ensure_share(made.share, None)
        made.driver.apply_access(made.share, EVERYBODY)
        admins = made_host.machine("admins")
        made_host.cable(admins, "admins", "10.66.0.1/24", "10.66.0.100/24", "fd66::100/64")
        made_host.ip("link", "set", "admins", "master", "br-admin")
        yield Stage(made, made_host, admins)


@pytest.fixture(params=[flat, managed], ids=["flat", "managed"], scope="module")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """One in each of the multi modes, which tests leave as it is."""
    with staged(tmp_path_factory.mktemp("host"), request.param) as made:
        yield made


@contextmanager
def by_way_of(machine: Machine, target: str, *way: str) -> Iterator[None]:
    """A route of the machine's, inside the block; then as before."""
    family = "-6" if ":" in target else "-4"
    assert machine.run("ip", family, "route", "add", target, *way).returncode == 0
    yield
    assert machine.run("ip", family, "route", "del", target, *way).returncode == 0


def test_both_ways_to_the_share(stage: Stage, tmp_path: Path) -> None:
    """A file that the tenant wrote is read on the admin network, on both IP versions."""
    assert [item for item, hidden in stage.addresses() if hidden] == list(ADMIN)
    assert len(stage.own) == 2
    source = tmp_path / "source"
    source.write_text("seen")
    assert stage.tenant.write(stage.made.locations[0].path, "f", source).returncode == 0
    for item in stage.made.locations:
        reader = stage.admins if item.is_admin_only else stage.tenant
        place, _, path = item.path.rpartition(":")
        with Nfs4Client(reader.netns, place.strip("[]")) as client:
            assert client.read(client.handle(f"{path}/f")) == b"seen"


def test_the_tenant_does_not_reach_the_admin_network(stage: Stage) -> None:
    """By way of the server, neither its admin address nor an administrator's machine answers."""
    for target, via in (
        (ADMIN[0], stage.own[0]),
        ("10.66.0.100", stage.own[0]),
        (ADMIN[1], stage.own[1]),
        ("fd66::100", stage.own[1]),
    ):
        with by_way_of(stage.tenant, target, "via", via):
            assert stage.tenant.run("ping", "-c", "1", "-W", "10", via).returncode == 0
            assert stage.tenant.run("ping", "-c", "1", "-W", "0.3", target).returncode != 0, target
    path = stage.made.locations[0].path.rpartition(":")[2]
    hidden = stage.tenant.run("timeout", "1", "nfs-ls", f"nfs://{ADMIN[0]}{path}?version=4")
    assert hidden.returncode != 0


def test_administrators_do_not_reach_the_tenants_network(stage: Stage) -> None:
    """By way of the server, neither its address there nor the tenant's machine answers."""
    theirs = stage.tenant.run("ip", "-br", "addr", "show", "eth0").stdout.split()[2:4]
    for target, via in (
        (stage.own[0], ADMIN[0]),
        (theirs[0].partition("/")[0], ADMIN[0]),
        (stage.own[1], ADMIN[1]),
        (theirs[1].partition("/")[0], ADMIN[1]),
    ):
        with by_way_of(stage.admins, target, "via", via):
            assert stage.admins.run("ping", "-c", "1", "-W", "10", via).returncode == 0
            assert stage.admins.run("ping", "-c", "1", "-W", "0.3", target).returncode != 0, target


def test_answers_leave_where_the_question_came(stage: Stage) -> None:
    """From its own addresses only, the admin interface is the way, and then the only one."""
    name = stage.server("ip", "-o", "addr", "show", "to", ADMIN[0]).split()[1]
    assert f"dev {name}" in stage.server("ip", "route", "get", "10.66.0.7", "from", ADMIN[0])
    for other in ("172.20.0.5", stage.own[0].rpartition(".")[0] + ".77"):
        seen = stage.server("ip", "route", "get", other, "from", ADMIN[0])
        assert f"via 10.66.0.1 dev {name}" in seen
    assert name not in stage.server("ip", "route", "get", "10.66.0.7", "from", stage.own[0])
    assert name not in stage.server("ip", "-6", "route", "get", "fd66::7", "from", stage.own[1])


def test_an_administrator_from_another_network(stage: Stage) -> None:
    """Behind the admin network's gateway the share is mounted too."""
    stage.admins.run("ip", "addr", "add", "172.20.0.5/32", "dev", "lo")
    stage.admins.run("ip", "link", "set", "lo", "up")
    hidden = next(item.path for item in stage.made.locations if item.is_admin_only)
    with by_way_of(stage.admins, f"{ADMIN[0]}/32", "dev", "eth0", "src", "172.20.0.5"):
        assert stage.admins.list(hidden).returncode == 0


@EACH_MODE
def test_comes_back_and_goes(tmp_path: Path, mode: Callable[[Host], Backend]) -> None:
    """After a reboot it is there again; without the option it goes, and the tenant's stays."""
    with staged(tmp_path, mode) as stage:
        come_back_and_go(stage)


def come_back_and_go(stage: Stage) -> None:
    """A reboot, and then another configuration."""
    reboot(stage.host)
    driver, share = stage.made.backend.driver(), stage.made.share
    assert share.server is not None
    driver.start()
    driver.ensure_server(share.server, stage.made.backend.with_admins(1))
    assert driver.ensure_share(share, None) == stage.made.locations
    hidden = next(item.path for item in stage.made.locations if item.is_admin_only)
    assert stage.admins.list(hidden).returncode == 0

    driver.ensure_server(share.server, stage.made.backend.network(1))
    left = driver.ensure_share(share, None)
    assert [item.is_admin_only for item in left] == [False, False]
    assert ADMIN[0] not in stage.server("ip", "addr")
    assert stage.tenant.list(left[0].path).returncode == 0
    assert a_share(stage.made.backend, 1) == share
