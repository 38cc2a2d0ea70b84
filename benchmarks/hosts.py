"""A storage host of the benchmark's own: namespaces, a flat bridge, the linux driver inside."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

import click

from abaca.drivers.driver import AccessLevel, AccessRule, BackendHost, Server, Share
from abaca.drivers.linux import LinuxDriver
from abaca.modes import DriverMode
from abaca.testing.clean import remove
from abaca.testing.helpers import FixedFlat, address
from abaca.testing.netns import Machine, bridge, join, machine

T = TypeVar("T")
BRIDGE = "br-flat"
CLIENT = "10.9.255.2"
EVERYBODY = AccessRule(network=ip_network("10.0.0.0/8"), level=AccessLevel.READ_WRITE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A flat_multi_svm backend with a client on its network. Call the driver by `Machine.call`."""

    machine: Machine
    client: Machine
    driver: LinuxDriver
    deployment: str

    @property
    def run_path(self) -> str:
        """What is in the command line of every daemon of this host."""
        return f"/run/abaca/{self.deployment}/"


@contextmanager
def host(folder: Path, *, versions: str = "4") -> Iterator[Host]:
    """The host; nothing of it is left at the end."""
    if os.geteuid() != 0:
        raise click.ClickException("share servers are network namespaces: run it as root")
    deployment = secrets.token_hex(4)
    values: dict[str, object] = {
        "storage_path": str(folder / "storage"),
        "bridge_mappings": [f"flat:{BRIDGE}"],
        "nfs_versions": [item.strip() for item in versions.split(",")],
        "max_over_subscription_ratio": "100",
    }
    lent = BackendHost(
        backend="bench",
        mode=DriverMode.FLAT,
        host="bench",
        state_path=folder / "state",
        deployment=deployment,
    )
    with machine("host") as made, machine("client") as client:
        bridge(made, BRIDGE)
        join(made, client, "c0", "10.254.0.1/30", f"{CLIENT}/16")
        made.run("ip", "addr", "flush", "dev", "c0")
        made.run("ip", "link", "set", "c0", "master", BRIDGE)
        try:
            driver = made.call(lambda: LinuxDriver.from_config("bench", values, lent))
            made.call(driver.start)
            yield Host(machine=made, client=client, driver=driver, deployment=deployment)
        finally:
            remove(deployment)


def server_of(number: int) -> Server:
    """The share server of this number."""
    return Server(id=f"{number:08d}-0000-4000-8000-{number:012d}", project_id=f"p{number}")


def share_of(number: int) -> Share:
    """A share on the server of this number."""
    return Share(
        id=f"share-{number}",
        project_id=f"p{number}",
        size_gib=1,
        protocol="NFS",
        export_id=1,
        server=server_of(number),
    )


def network_of(number: int) -> FixedFlat:
    """The address of the server of this number."""
    return FixedFlat((address(f"10.9.{1 + number // 250}.{1 + number % 250}/16"),))


def location_of(number: int) -> str:
    """Address and path of the share of this number."""
    return f"10.9.{1 + number // 250}.{1 + number % 250}/shares/share-{number}"
