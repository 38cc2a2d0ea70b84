"""A real neutron-server for tests: installed once outside the repository, run in its own directory.

No Keystone and no message broker: Neutron believes the headers that say who is
calling, with its real policy. In mode ``api`` it keeps its records in SQLite and
binds ports on paper; nothing is forwarded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from abaca.testing.ports import free_port
from support.cached_venv import cached_venv, digest, locked

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
START_SECONDS = 180
AGENT_HOST = "agent-host"
"""The one host on which ports can be bound."""
FLAT_PHYSNET = "physnet1"

CONFIG = """
[DEFAULT]
core_plugin = ml2
service_plugins = {services}
auth_strategy = {auth}
transport_url = fake:/
api_paste_config = {home}/api-paste.ini
state_path = {home}/state
log_file = {home}/neutron.log
use_stderr = false
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
global_physnet_mtu = 1500
[database]
connection = {database}
# A dozen commits for every port, none of which waits for the disk.
sqlite_synchronous = false
[oslo_concurrency]
lock_path = {home}/lock
[oslo_messaging_notifications]
driver = noop
[quotas]
quota_network = -1
quota_subnet = -1
quota_port = -1
quota_router = -1
quota_rbac_policy = -1
quota_security_group = -1
quota_security_group_rule = -1
[ml2]
type_drivers = flat,vlan,vxlan,geneve
project_network_types = vxlan,geneve,vlan
mechanism_drivers = {drivers}
extension_drivers = port_security
path_mtu = 1500
[ml2_type_flat]
flat_networks = *
[ml2_type_vlan]
network_vlan_ranges = physnet1:100:199,physnet2:200:299
[ml2_type_vxlan]
vni_ranges = 1000:9999
[ml2_type_geneve]
vni_ranges = 10000:19999
max_header_size = 38
{more}
"""


def installed() -> Path:
    """The virtual environment of a Neutron; made at the first call."""
    return cached_venv("neutron", REQUIREMENTS, [["--no-deps", "-r", str(REQUIREMENTS)]])


def empty_database(installation: Path) -> Path:
    """SQLite, as a fresh Neutron has it; made at the first call."""
    made_from = digest((HERE / "prepare.py").read_bytes())
    template = installation / f"template-{made_from}.db"
    with locked(template.with_suffix(".lock")):
        if not template.exists():
            fresh = template.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            prepare(installation, f"sqlite:///{fresh}")
            fresh.rename(template)
    return template


def prepare(installation: Path, url: str) -> None:
    """Make Neutron's tables in an empty database."""
    argv = [installation / "bin/python", "-W", "ignore", HERE / "prepare.py", url]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv}: exit {done.returncode}: {done.stderr[-3000:]}")


@dataclass(kw_only=True)
class Flavour:
    """What differs between ways to run Neutron."""

    drivers: str = "logger,openvswitch"
    services: str = "router,segments"
    database: str | None = None
    """URL; a copy of the empty SQLite one if None."""
    more: str = ""
    auth: str = "noauth"
    """``keystone``: ``more`` says how its tokens are checked."""
    threads: int = 1
    """SQLite: two threads would find the database locked."""


@dataclass(kw_only=True)
class NeutronServer:
    """One neutron-server; may be stopped and started again, with the same port and records."""

    home: Path
    flavour: Flavour = field(default_factory=Flavour)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The root URL, which clients are configured with."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it answers."""
        installation = installed()
        if not (self.home / "neutron.conf").exists():
            self._prepare(installation)
        with (self.home / "gunicorn.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(installation / "bin/python", "-W", "ignore", "-m", "gunicorn"),
                    *("--chdir", str(self.home), "--bind", f"127.0.0.1:{self.port}"),
                    *("--workers", "1", "--worker-class", "gthread"),
                    *("--threads", str(self.flavour.threads), "--keep-alive", "75"),
                    *("--timeout", "120", "--graceful-timeout", "3", "--no-control-socket"),
                    "neutron_wsgi:application",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    "PATH": os.environ["PATH"],
                    "OS_NEUTRON_CONFIG_DIR": str(self.home),
                    "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
                    "ASGI_WORKERS": "1",
                    **self.environment(),
                },
            )
        self._wait()

    def environment(self) -> dict[str, str]:
        """More variables for the process."""
        return {}

    def _prepare(self, installation: Path) -> None:
        for name in ("state", "lock"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        database = self.flavour.database
        if database is None:
            shutil.copy(empty_database(installation), self.home / "neutron.db")
            database = f"sqlite:///{self.home}/neutron.db"
        config = CONFIG.format(
            home=self.home,
            database=database,
            drivers=self.flavour.drivers,
            services=self.flavour.services,
            auth=self.flavour.auth,
            more=self.flavour.more,
        )
        (self.home / "neutron.conf").write_text(config)
        # The pipeline without Keystone, but with the filter that reads who is calling.
        paste = (installation / "etc/neutron/api-paste.ini").read_text()
        lines = [
            line.replace("fake_project_id", "").replace(
                " extensions", " keystonecontext extensions"
            )
            if line.startswith("noauth =")
            else line
            for line in paste.splitlines()
        ]
        (self.home / "api-paste.ini").write_text("\n".join(lines) + "\n")
        (self.home / "neutron_wsgi.py").write_text(
            "import sys\nsys.argv = ['neutron-api']\nfrom neutron.wsgi.api import application\n"
        )

    def _wait(self) -> None:
        assert self._process is not None
        headers = {"X-User-Id": "u", "X-Project-Id": "p", "X-Roles": "admin"}
        request = urllib.request.Request(f"{self.url}/v2.0/networks", headers=headers)  # noqa: S310
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
                    answer.read()
                    return
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == HTTPStatus.UNAUTHORIZED:
                        return  # it asks for a token
                time.sleep(0.2)
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        log = (self.home / "gunicorn.log").read_text()[-3000:]
        raise RuntimeError(f"neutron-server does not answer on {self.url}: {log}")

    def stop(self) -> None:
        """Return when its process is gone; its workers go with it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
