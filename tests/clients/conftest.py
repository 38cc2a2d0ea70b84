"""An `abaca serve` of its own, and clients that log in to it by its builtin identity."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
SECONDS = 120

CONFIG = """
[DEFAULT]
host = node1
state_path = {folder}/state
listen_port = 0
enabled_share_backends = site, cluster
report_seconds = 1
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
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        done = subprocess.run(
            [str(BIN / "openstack"), *argv],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**clean, **self.credentials},
        )
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def answer(self, *argv: str) -> Any:
        """Run `openstack ... -f json`; what it says."""
        return json.loads(self.openstack(*argv, "-f", "json"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A service with two backends that store nothing; ended after the tests."""
    folder = tmp_path_factory.mktemp("cloud")
    file = folder / "abaca.conf"
    file.write_text(CONFIG.format(folder=folder))
    with (folder / "abaca.log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / "abaca"), "serve", "--config-file", str(file)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield _wait(process, folder / "abaca.log")
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(process: subprocess.Popen[str], log: Path) -> Cloud:
    password = ""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"password (\S+)", line):
            password = found[1]
        if found := re.search(r"listening on (http\S+)", line):
            return Cloud(url=found[1], password=password, folder=log.parent)
    raise AssertionError(log.read_text())
