"""Share servers go on serving, whatever happens to Abaca; and come back when they die."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from abaca.demo import nfs
from abaca.demo.service import CONFIG

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.usefixtures("databases"),
]

BULK_BYTES = 400 << 20
UNDER_WAY_BYTES = 20 << 20
V3 = "version=3&nfsport=2049&mountport=20048"


@pytest.fixture(scope="module")
def site_config() -> str:
    """NFSv3 as well on the first cluster: libnfs can't copy much over NFSv4."""
    section = "[cluster1]\nshare_driver = linux\n"
    return CONFIG.replace(section, section + "nfs_versions = 3, 4\n")


def _copy(site: Any, export: str, source: Path) -> subprocess.Popen[str]:
    address, _, path = export.partition(":")
    url = f"nfs://{address}{path}/bulk?{V3}"
    argv = ["nsenter", f"--net=/run/netns/{site.alice.netns}", "nfs-cp", str(source), url]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _read(process: subprocess.Popen[str]) -> int:
    """How many bytes it has read."""
    return int(Path(f"/proc/{process.pid}/io").read_text().split()[1])


def _checksum(site: Any, export: str) -> str:
    """Of what the tenant's machine reads."""
    address, _, path = export.partition(":")
    url = f"nfs://{address}{path}/bulk?{V3}"
    argv = ["nsenter", f"--net=/run/netns/{site.alice.netns}", "nfs-cat", url]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        return hashlib.file_digest(reader.stdout, "sha256").hexdigest()


def _server_pid(site: Any) -> int:
    admin = site.clients["admin"]
    server = admin.share_servers.list()[0]
    return int(admin.share_servers.get(server.id).backend_details["pid"])


def test_a_copy_runs_across_kill_and_restart_of_the_manager(site: Any, tmp_path: Path) -> None:
    """While a tenant copies, the service is killed and started again: the copy ends well."""
    share = site.settled(site.share("cluster1"))
    site.allow(share, site.alice.address("flat1"))
    export, pid = site.export(share), _server_pid(site)
    source = tmp_path / "bulk"
    with source.open("wb") as file:
        for _ in range(BULK_BYTES >> 20):
            file.write(secrets.token_bytes(1 << 20))
    copy = _copy(site, export, source)
    try:
        site.until(lambda: _read(copy) > UNDER_WAY_BYTES, "the copy is under way")
        copy.send_signal(signal.SIGSTOP)
        assert copy.poll() is None, "the copy was over before the service was killed"
        site.service.kill()
        copy.send_signal(signal.SIGCONT)
        site.service.start()
        said, _ = copy.communicate(timeout=200)
    finally:
        copy.kill()
        copy.wait()
    assert copy.returncode == 0, said
    assert _server_pid(site) == pid
    with source.open("rb") as file:
        assert _checksum(site, export) == hashlib.file_digest(file, "sha256").hexdigest()
    site.clear()


def test_a_dead_nfs_server_is_started_again(site: Any) -> None:
    """Ganesha is killed: the manager starts it, with the same exports, rules and data."""
    share = site.settled(site.share("direct"))
    site.allow(share, site.alice.address("direct"))
    export, pid = site.export(share), _server_pid(site)
    wrote = nfs.write(site.alice, export, "kept", secrets.token_bytes(2000))
    os.kill(pid, signal.SIGKILL)
    site.until(lambda: nfs.can_read(site.alice, export, "kept"), "the NFS server is back")
    assert nfs.read(site.alice, export, "kept") == wrote
    site.until(lambda: _server_pid(site) != pid, "administrators see the new PID")
    nfs.refusal(site.bob, export)
    site.clear()
