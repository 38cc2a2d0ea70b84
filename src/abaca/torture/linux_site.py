"""Three backends, one per mode, on real storage and real networks, in a namespace of its own."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from abaca.db import share_instances, share_servers
from abaca.db.database import Database
from abaca.demo import leftovers
from abaca.drivers.driver import BackendHost
from abaca.drivers.linux.layout import Layout, Place
from abaca.errors import CommandFailed, LinuxError
from abaca.linux import links, netns
from abaca.linux.command import run
from abaca.model.share import Share
from abaca.torture import volume
from abaca.torture.fake_site import NETWORKS, SETTINGS, add_networks, odd, strays
from abaca.torture.nursery import nursery
from abaca.torture.site import Setting, Site

ADDRESS = "10.9.9.9"
FILE_BYTES = 2000
WAIT_SECONDS = 10.0
BACKENDS = {
    "single": f"export_addresses = {ADDRESS}",
    "flat": "bridge_mappings = flat:br-flat\nnetwork_config_group = flat-net",
    "managed": "vxlan_local = 172.31.0.1\nvxlan_peers = 172.31.0.2\n"
    "network_config_group = managed-net",
}


def configuration(folder: Path, url: str, _overrides: Mapping[str, str], ratio: float = 1) -> str:
    """The configuration file."""
    lines = [
        "[DEFAULT]",
        "host = node",
        f"state_path = {folder}/state",
        f"enabled_share_backends = {', '.join(BACKENDS)}",
        "[database]",
        f"connection = {url.replace('%', '%%')}",
        NETWORKS,
    ]
    for setting in SETTINGS:
        lines += [
            f"[{setting.backend}]",
            "share_driver = linux",
            f"driver_mode = {setting.mode}",
            f"storage_path = {folder}/storage/{setting.backend}",
            f"max_over_subscription_ratio = {ratio}",
            BACKENDS[setting.backend],
        ]
    return "\n".join(lines) + "\n"


def content(name: str) -> bytes:
    """What a file of this name has in it."""
    seed = hashlib.sha256(name.encode()).digest()
    return (seed * (FILE_BYTES // len(seed) + 1))[:FILE_BYTES]


@dataclass(frozen=True)
class LinuxWorld:
    """What exists in the kernel of one deployment, and what its NFS servers serve."""

    folder: Path
    db: Database
    config: Path
    deployment: str
    host: str
    """The namespace that is the storage host."""

    def census(self) -> Counter[str]:
        """Namespaces, links, mounts, loop devices, daemons, images, subvolumes and records."""
        spaces = leftovers.server_namespaces(self.folder)
        found = Counter(
            {
                "namespaces": len(spaces),
                "mounts": len(leftovers.mounts(self.folder)),
                "loop devices": len(leftovers.loops(self.folder)),
                "links": sum(len(_links(space)) for space in [self.host, *spaces]),
            }
        )
        for process in leftovers.processes(self.folder):
            with suppress(OSError):
                found[f"processes {Path(f'/proc/{process}/comm').read_text().strip()}"] += 1
        for path in (self.folder / "storage").rglob("*"):
            if path.is_file() and path.suffix in {".img", ".json"}:
                found[f"files {path.suffix}"] += 1
        for top in Path("/run/abaca", self.deployment).glob("*/*/mounts/project-*"):
            found["subvolumes"] += sum(1 for _ in top.iterdir())
        return +found

    def strays(self) -> list[str]:
        """As an audit sees it, what lacks too; and addresses of nobody."""
        return netns.call_inside(
            self.host, lambda: [*strays(self.config, self.db), *odd(self.config, self.db)]
        )

    def write(self, share: Share, name: str) -> None:
        """Over NFS, from the share server's own address."""
        with tempfile.NamedTemporaryFile() as source:
            Path(source.name).write_bytes(content(name))
            self._nfs(share, "nfs-cp", source.name, name)

    def names(self, share: Share) -> set[str]:
        """The files of the subvolume; over NFS too, where an access rule lets us."""
        mount = self._place(share).mount(share.instance.id)
        found = set()
        for file in mount.iterdir():
            right = file.read_bytes() == content(file.name)
            assert right, f"share {share.id}: {file.name} is damaged"  # noqa: S101
            found.add(file.name)
        if self._is_open(share):
            with tempfile.TemporaryDirectory() as folder:
                for name in found:
                    self._nfs(share, "nfs-cp", name, f"{folder}/{name}", fetch=True)
                    right = Path(folder, name).read_bytes() == content(name)
                    assert right, f"share {share.id}: {name} is damaged over NFS"  # noqa: S101
        return found

    def reboot(self, setting: Setting) -> None:
        """What a reboot takes: processes, mounts, loop devices, namespaces, run-time files."""
        del setting
        leftovers.reboot(self.folder)

    def _is_open(self, share: Share) -> bool:
        place = self._place(share)
        record = place.share(share.instance.id)
        return record is not None and any(rule.network == "0.0.0.0/0" for rule in record.rules)

    def _nfs(self, share: Share, tool: str, one: str, other: str, *, fetch: bool = False) -> None:
        """Copy there (or, ``fetch``, from there), patiently: the server may be coming back."""
        place = self._place(share)
        with self.db.read() as tx:
            paths = sorted(share_instances.exports(tx, share.instance.id))
        if not paths:
            raise OSError(f"share {share.id} has no export location")
        address, _, path = paths[0].rpartition(":/")
        name = one if fetch else other
        url = f"nfs://{address}/{path}/{name}?version=4"
        argv = (url, other) if fetch else (one, url)
        space = place.netns or self.host
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                run("nsenter", f"--net=/run/netns/{space}", tool, *argv, timeout=15)
            except CommandFailed as error:
                if time.monotonic() > deadline:
                    raise OSError(f"share {share.id}, {url}: {error}") from error
                time.sleep(0.2)
            else:
                return

    def _place(self, share: Share) -> Place:
        backend = (share.instance.host or "").partition("@")[2]
        setting = next(item for item in SETTINGS if item.backend == backend)
        host = BackendHost(
            backend=backend,
            mode=setting.mode,
            host="node",
            state_path=self.folder / "state",
            deployment=self.deployment,
        )
        layout = Layout.of(self.folder / "storage" / backend, host)
        server = share.instance.share_server_id
        if server is not None:
            with self.db.read() as tx:
                found = share_servers.get(tx, server)
            server = (found.identifier or found.id) if found else server
        return layout.place(server)


def _links(space: str) -> list[str]:
    """Names of the links in a namespace; none if it has just gone."""
    with suppress(LinuxError):
        return links.inside(
            space, "listing links", lambda here: [item.name for item in links.links(here)]
        )
    return []


@contextmanager
def linux_site(url: str | None, projects: list[str], *, small: bool = False) -> Iterator[Site]:
    """A site on this database (None: SQLite in its folder), with nothing on it.

    ``small``: its shares are on a file system that can be filled up, and more is promised.
    ``make clean`` finds what an aborted one left, like a demonstration's.
    """
    folder = Path(tempfile.gettempdir(), f"{leftovers.PREFIX}t{secrets.token_hex(3)}")
    leftovers.claim(folder)
    where = url or f"sqlite:///{folder}/abaca.db"
    host, deployment = f"{folder.name}-host", secrets.token_hex(4)
    (folder / "state").mkdir()
    (folder / "state" / "deployment").write_text(deployment)
    ratio = volume.OVER_SUBSCRIPTION if small else 1
    db = Database(where, pool_size=4)
    try:
        if small:
            volume.mount(folder / "storage")
        for setting in SETTINGS:
            (folder / "storage" / setting.backend).mkdir(parents=True)
        _host(host)
        with nursery(folder.name, host) as births:
            site = Site(
                folder=folder,
                db=db,
                nursery=births,
                world=LinuxWorld(folder, db, folder / "abaca.conf", deployment, host),
                settings=SETTINGS,
                configure=lambda overrides: configuration(folder, where, overrides, ratio),
                patience=60,
            )
            site.prepare()
            add_networks(db, projects)
            try:
                yield site
            finally:
                site.stop()
    finally:
        db.close()
        leftovers.remove(folder)
        shutil.rmtree(Path("/run/abaca", deployment), ignore_errors=True)


def _host(name: str) -> None:
    """A namespace with a bridge for the flat network, and an end of the VXLANs."""
    netns.ensure_namespace(name)
    ip = ("nsenter", f"--net=/run/netns/{name}", "ip")
    run(*ip, "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    run(*ip, "link", "add", "br-flat", "type", "bridge")
    run(*ip, "link", "set", "br-flat", "up")
    run(*ip, "link", "add", "uplink", "mtu", "1600", "type", "veth", "peer", "name", "uplink-end")
    run(*ip, "addr", "add", "172.31.0.1/24", "dev", "uplink")
    run(*ip, "link", "set", "uplink", "up")
    run(*ip, "link", "set", "uplink-end", "up")
