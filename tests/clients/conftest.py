"""An `abaca serve` of its own, and clients that log in to it by its builtin identity."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.configuration import FLAT, NET, SINGLE, configuration
from support.databases import Databases
from support.openstack_client import OpenStackClient
from support.serving import serving


@dataclass(frozen=True)
class Cloud:
    """A running service, as a client is told of it."""

    url: str
    password: str
    folder: Path
    client: OpenStackClient

    @property
    def credentials(self) -> Mapping[str, str]:
        """What an openrc file of the administrator has."""
        return {
            "OS_AUTH_URL": f"{self.url}/identity/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }

    def openstack(self, *argv: str) -> str:
        """Run `openstack ...` as a person does; it must succeed. Its output."""
        done = self.client.run(argv, self.credentials)
        assert done.code == 0, f"{' '.join(argv)}: {done.out}{done.err}"
        return done.out

    def answer(self, *argv: str) -> Any:
        """Run `openstack ... -f json`; what it says."""
        return json.loads(self.openstack(*argv, "-f", "json"))


@pytest.fixture(scope="module")
def cloud(
    tmp_path_factory: pytest.TempPathFactory,
    openstack_client: OpenStackClient,
    databases: Databases,
) -> Iterator[Cloud]:
    """A service with two backends that store nothing; ended after the tests."""
    folder = tmp_path_factory.mktemp("cloud")
    backends = {
        "site": {**SINGLE, "fake_state_file": folder / "site.json"},
        "cluster": {**FLAT, "network_config_group": "flat1"},
    }
    with databases.one() as url:
        file = configuration(
            folder,
            backends,
            DEFAULT={"report_seconds": 1},
            database={"connection": url},
            flat1={**NET, "allowed_ip_ranges": "10.10.0.10-10.10.0.99"},
        )
        with serving(file, folder / "abaca.log") as (service, password):
            yield Cloud(url=service, password=password, folder=folder, client=openstack_client)
