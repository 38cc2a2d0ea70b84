"""An `abaca serve` of its own, and clients that log in to it by its builtin identity."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.databases import Databases
from support.openstack_client import OpenStackClient

BIN = Path(sys.executable).parent

CONFIG = """
[DEFAULT]
host = node1
state_path = {folder}/state
listen_port = 0
enabled_share_backends = site, cluster
report_seconds = 1
[database]
connection = {url}
[site]
share_driver = fake
driver_mode = single_svm
fake_state_file = {folder}/site.json
[cluster]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = flat1
[flat1]
network_plugin = standalone
gateway = 10.10.0.1
mask = 24
allowed_ip_ranges = 10.10.0.10-10.10.0.99
"""


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
    file = folder / "abaca.conf"
    with databases.one() as url:
        file.write_text(CONFIG.format(folder=folder, url=url))
        with _running(file, openstack_client) as found:
            yield found


@contextmanager
def _running(file: Path, client: OpenStackClient) -> Iterator[Cloud]:
    folder = file.parent
    with (folder / "abaca.log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / "abaca"), "serve", "--config-file", str(file)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield _wait(process, folder / "abaca.log", client)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(process: subprocess.Popen[str], log: Path, client: OpenStackClient) -> Cloud:
    password = ""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"password (\S+)", line):
            password = found[1]
        if found := re.search(r"listening on (http\S+)", line):
            return Cloud(url=found[1], password=password, folder=log.parent, client=client)
    raise AssertionError(log.read_text())
