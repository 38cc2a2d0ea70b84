"""python-manilaclient and openstacksdk against a running `abaca serve` with fake backends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SECONDS = 60
CONFIG = """
[DEFAULT]
state_path = {root}/state
listen_port = {port}
enabled_share_backends = one, two
default_share_type = gold
[one]
share_driver = fake
driver_mode = single_svm
[two]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = flat1
[flat1]
network_plugin = standalone
gateway = 10.10.0.1
mask = 24
allowed_ip_ranges = 10.10.0.10-10.10.0.19
"""
FEATURES = {
    "snapshot_support": "True",
    "create_share_from_snapshot_support": "True",
    "revert_to_snapshot_support": "True",
}


@dataclass(frozen=True)
class Service:
    """A running service, and how its administrator logs in."""

    url: str
    password: str

    @property
    def login(self) -> dict[str, str]:
        """Password authentication in project admin."""
        return {
            "auth_url": f"{self.url}/identity",
            "username": "admin",
            "password": self.password,
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }

    def manila(self) -> Any:
        """python-manilaclient at the service's maximum version."""
        from keystoneauth1 import session  # noqa: PLC0415 - a second to import
        from keystoneauth1.identity import v3  # noqa: PLC0415
        from manilaclient import client  # noqa: PLC0415

        return client.Client("2.65", session=session.Session(auth=v3.Password(**self.login)))

    def sdk(self) -> Any:
        """Openstacksdk's proxy, at its default versions."""
        import openstack  # noqa: PLC0415 - a second to import

        return openstack.connect(
            **self.login, load_yaml_config=False, load_envvars=False
        ).shared_file_system

    def openstack(self, *argv: str) -> str:
        """What `openstack share ...` prints; it must succeed."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        environment |= {f"OS_{k.upper()}": v for k, v in self.login.items()}
        program = Path(sys.executable).with_name("openstack")
        done = subprocess.run(
            [program, "share", *argv],
            env=environment | {"OS_IDENTITY_API_VERSION": "3"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`abaca serve` with a single_svm and a flat backend, and a type for each."""
    root = tmp_path_factory.mktemp("service")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = root / "abaca.conf"
    config.write_text(CONFIG.format(root=root, port=port))
    (root / "state").mkdir()
    abaca = [sys.executable, "-m", "abaca.cli.main"]
    named = ["--config-file", str(config)]
    told = subprocess.run(
        [*abaca, "bootstrap", *named], capture_output=True, text=True, timeout=SECONDS, check=True
    ).stdout
    password = told.partition("password:")[2].split()[0]
    with (root / "log").open("w") as log:
        process = subprocess.Popen([*abaca, "serve", *named], stdout=log, stderr=log)
        try:
            found = Service(f"http://127.0.0.1:{port}", password)
            until(lambda: answers(found.url))
            manila = found.manila()
            manila.share_types.create("gold", False, extra_specs=dict(FEATURES))
            manila.share_types.create("silver", True, extra_specs=dict(FEATURES))
            until(lambda: len(manila.pools.list()) == 2)
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    """Whether the service is up."""
    try:
        urllib.request.urlopen(f"{url}/healthcheck", timeout=5).close()  # noqa: S310 - our own
    except OSError:
        return False
    return True


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def settled(get: Callable[[str], Any], item: Any, status: str = "available") -> Any:
    """The thing, once it has the status."""
    until(lambda: get(item.id).status == status)
    return get(item.id)


def gone(get: Callable[[str], Any], item: Any) -> bool:
    """Whether the thing is not found any more."""
    from manilaclient import exceptions  # noqa: PLC0415

    try:
        get(item.id)
    except exceptions.NotFound:
        return True
    return False


@pytest.mark.parametrize("share_type", ["gold", "silver"])
def test_life_of_a_share(service: Service, share_type: str) -> None:
    """Create, allow, extend, shrink, snapshot, revert, clone and delete, on both backends."""
    manila = service.manila()
    network = manila.share_networks.create(name=share_type) if share_type == "silver" else None
    get = manila.shares.get
    share = settled(
        get,
        manila.shares.create(
            "NFS", 1, name=share_type, share_type=share_type, share_network=network
        ),
    )
    assert share.progress == "100%"
    assert share.share_network_id == (network.id if network else None)
    (location,) = manila.share_export_locations.list(share.id)
    assert ":/" in location.path
    rule = share.allow("ip", "10.0.0.5", "rw")
    rules = manila.share_access_rules
    until(lambda: [item.state for item in rules.access_list(share, {})] == ["active"])
    manila.shares.extend(share, 3)
    assert settled(get, share).size == 3
    manila.shares.shrink(share, 2)
    assert settled(get, share).size == 2
    snapshot = settled(manila.share_snapshots.get, manila.share_snapshots.create(share.id))
    manila.shares.revert_to_snapshot(share, snapshot)
    settled(get, share)
    settled(manila.share_snapshots.get, snapshot)
    clone = manila.shares.create("NFS", 2, snapshot_id=snapshot.id, share_network=network)
    assert settled(get, clone).host == share.host
    share.deny(rule["id"])
    until(lambda: rules.access_list(share, {}) == [])
    manila.share_snapshots.delete(snapshot)
    until(lambda: gone(manila.share_snapshots.get, snapshot))
    for item in (clone, share):
        manila.shares.delete(item)
        until(lambda item=item: gone(get, item))


def test_no_room_is_told(service: Service) -> None:
    """A share that fits nowhere is in error, with a message that clients find by its ID."""
    manila = service.manila()
    manila.quotas.update("admin", gigabytes=-1)
    project = manila.client.session.get_project_id()
    manila.quotas.update(project, gigabytes=-1)
    share = settled(manila.shares.get, manila.shares.create("NFS", 999_999), "error")
    found = manila.messages.list(search_opts={"resource_id": share.id, "message_level": "ERROR"})
    assert [message.detail_id for message in found] == ["002"]
    assert "999999 GiB free" in found[0].user_message
    manila.shares.delete(share)
    assert gone(manila.shares.get, share)


def test_sdk(service: Service) -> None:
    """Openstacksdk makes, finds, pages, grows and deletes shares at its own versions."""
    sdk = service.sdk()
    made = [sdk.create_share(share_protocol="NFS", size=1, name=f"sdk{n}") for n in range(3)]
    made = [sdk.wait_for_status(s, status="available", interval=0.2, wait=SECONDS) for s in made]
    assert {share.name for share in sdk.shares(details=False, limit=1)} >= {"sdk0", "sdk1", "sdk2"}
    assert [share.name for share in sdk.shares(name="sdk1")] == ["sdk1"]
    (location,) = sdk.export_locations(made[0].id)
    assert ":/" in location.path
    sdk.resize_share(made[0].id, 2)
    until(lambda: sdk.get_share(made[0].id).size == 2)
    snapshot = sdk.create_share_snapshot(share_id=made[0].id, name="s")
    until(lambda: sdk.get_share_snapshot(snapshot.id).status == "available")
    sdk.delete_share_snapshot(snapshot.id)
    until(lambda: snapshot.id not in {s.id for s in sdk.share_snapshots()})
    for share in made:
        sdk.delete_share(share.id)
    until(lambda: not [s for s in sdk.shares() if s.name.startswith("sdk")])


def test_openstack_commands(service: Service) -> None:
    """`openstack share` at its default version: create, set, access, resize, list, delete."""
    service.openstack("create", "NFS", "1", "--name", "cli", "--wait")
    service.openstack("set", "cli", "--name", "cli2", "--property", "a=b")
    service.openstack("access", "create", "cli2", "ip", "10.0.0.9")
    assert "10.0.0.9" in service.openstack("access", "list", "cli2")
    assert ":/" in service.openstack("export", "location", "list", "cli2")
    service.openstack("resize", "cli2", "2", "--wait")
    listed = service.openstack(
        "list", "--property", "a=b", "-f", "value", "-c", "Name", "-c", "Size"
    )
    assert listed.split() == ["cli2", "2"]
    service.openstack("delete", "cli2", "--wait")
    assert service.openstack("list", "--name", "cli2", "-f", "value") == ""
