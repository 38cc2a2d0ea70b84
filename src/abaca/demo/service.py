"""A real `abaca serve` on the storage host, and clients that are logged in to it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3
from manilaclient import client

from abaca.demo.topology import (
    DIRECT_CIDR,
    ROUTED_CIDR,
    SERVICE_CIDR,
    UNDERLAY_HOST,
    VLAN_CIDR,
    Topology,
)
from abaca.errors import AbacaError
from abaca.linux.command import run

ENDPOINT = "http://127.0.0.1:8786"
API_VERSION = "2.78"
START_SECONDS = 30

Command = Callable[[Sequence[str], str | None], str]
"""Runs `abaca` with arguments and a standard input; its standard output, or `AbacaError`."""

CONFIG = f"""\
[DEFAULT]
host = demo
state_path = {{root}}/state
listen_address = 127.0.0.1
listen_port = 8786
auth_strategy = builtin
enabled_share_backends = site, cluster1, cluster2, direct, vlan, routed

[site]
share_driver = linux
driver_mode = single_svm
storage_path = {{root}}/site
export_addresses = 10.30.0.1

[cluster1]
share_driver = linux
driver_mode = flat_multi_svm
network_config_group = flat1
storage_path = {{root}}/cluster1
bridge_mappings = flat:br-flat1

[cluster2]
share_driver = linux
driver_mode = flat_multi_svm
network_config_group = flat2
storage_path = {{root}}/cluster2
bridge_mappings = flat:br-flat2

[direct]
share_driver = linux
driver_mode = managed_multi_svm
network_config_group = tenants
storage_path = {{root}}/direct
vxlan_local = {UNDERLAY_HOST}
vxlan_device = br-under
vxlan_peers = 172.30.0.201, 172.30.0.202

[vlan]
share_driver = linux
driver_mode = managed_multi_svm
network_config_group = tenants
storage_path = {{root}}/vlan
vlan_mappings = physnet1:br-vlan
ovs_db = unix:{{root}}/ovs/db.sock

[routed]
share_driver = linux
driver_mode = managed_multi_svm
network_config_group = service
storage_path = {{root}}/routed
vxlan_local = {UNDERLAY_HOST}
vxlan_device = br-under
vxlan_peers = 172.30.0.201, 172.30.0.202

[flat1]
network_plugin = standalone
gateway = 10.10.0.1
mask = 24
allowed_ip_ranges = 10.10.0.10-10.10.0.199

[flat2]
network_plugin = standalone
gateway = 10.20.0.1
mask = 24
allowed_ip_ranges = 10.20.0.10-10.20.0.199

[tenants]
network_plugin = standalone
connectivity = direct

[service]
network_plugin = standalone
connectivity = routed
service_cidr = {SERVICE_CIDR}
segmentation_type = vxlan
segmentation_ids = 20000-20999
"""


class Service:
    """Starts, stops and commands Abaca inside the storage host's namespace."""

    def __init__(self, topology: Topology, root: Path, abaca: Command | None = None) -> None:
        """``abaca``: who runs its commands; else each is a process, as an operator's is."""
        self._topology = topology
        self._root = root
        self._abaca = abaca or self._as_process
        self._process: subprocess.Popen[bytes] | None = None
        self.config = root / "abaca.conf"
        self.log = root / "abaca.log"
        self.admin_password = ""

    def prepare(self, config: str = CONFIG) -> None:
        """Write the configuration and make the administrator."""
        self.config.write_text(config.format(root=self._root))
        self.abaca("config", "check")
        answer = self.abaca("bootstrap", "--format", "json")
        self.admin_password = str(json.loads(answer)["password"])

    def start(self, **env: str) -> str:
        """Start `abaca serve` and wait for the API; the highest version it speaks."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv("serve", "--config-file", str(self.config)),
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **env},
            )
        return self._wait()

    def kill(self) -> None:
        """End the service with SIGKILL, if it has not ended by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait_for_death(self, seconds: float) -> None:
        """Return once the service has ended by itself; TimeoutExpired if it does not."""
        if self._process is not None:
            self._process.wait(seconds)
            self._process = None

    def stop(self) -> None:
        """Stop the service and wait for its end; share servers would keep serving."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def abaca(self, *argv: str, stdin: str | None = None) -> str:
        """Run an `abaca` command with the demonstration's configuration."""
        return self._abaca([*argv, "--config-file", str(self.config)], stdin)

    def _as_process(self, argv: Sequence[str], stdin: str | None) -> str:
        return run(*self._argv(*argv), stdin=stdin.encode() if stdin else None)

    def _argv(self, *argv: str) -> list[str]:
        netns = f"--net=/run/netns/{self._topology.host}"
        return ["nsenter", netns, sys.executable, "-m", "abaca.cli.main", *argv]

    def _wait(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise AbacaError(f"abaca serve ended: {self.log.read_text()[-4000:]}")
            try:
                with urllib.request.urlopen(ENDPOINT + "/v2/", timeout=2) as answer:  # noqa: S310
                    version: str = json.load(answer)["versions"][0]["version"]
                    return version
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AbacaError(f"no answer on {ENDPOINT} after {START_SECONDS} s")

    def add_tenant(self, name: str) -> str:
        """A project with a user of the same name and its two registered networks; its password."""
        password = secrets.token_urlsafe(12)
        self.abaca("project", "create", name)
        self.abaca("user", "create", name, "--project", name, "--role", "member",
                   "--password-stdin", stdin=password + "\n")  # fmt: skip
        machine = self._topology.machines[name]
        vxlan, vlan = ("--type", "vxlan"), ("--type", "vlan", "--physical-network", "physnet1")
        for network, cidr, kind, number in (
            ("direct", DIRECT_CIDR, vxlan, machine.direct_vni),
            ("vlan", VLAN_CIDR, vlan, machine.vlan_id),
            ("routed", ROUTED_CIDR, vxlan, machine.routed_vni),
        ):
            self.abaca(
                *("network", "tenant", "add", "--project", name, "--name", network, *kind),
                *("--segmentation-id", str(number), "--cidr", cidr, "--allocation-range"),
                cidr.replace(".0/24", ".10-") + cidr.replace("0/24", "99"),
            )
        return password

    def client(self, name: str, password: str) -> Any:  # noqa: ANN401 - manilaclient is untyped
        """A python-manilaclient logged in as this user, in the project of the same name."""
        auth = v3.Password(
            auth_url=ENDPOINT + "/identity/v3",
            username=name,
            password=password,
            user_domain_id="default",
            project_name=name,
            project_domain_id="default",
        )
        return client.Client(API_VERSION, session=session.Session(auth=auth))
