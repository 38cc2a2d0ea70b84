"""Three backends, one per mode, whose storage is a file each: it outlives every manager."""

from __future__ import annotations

import fcntl
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from ipaddress import ip_network
from pathlib import Path

import msgspec
from sqlalchemy import select

from abaca.config import Config, load
from abaca.db import networks
from abaca.db import tables as t
from abaca.db.database import Database
from abaca.drivers.driver import Inspects
from abaca.drivers.fake import FakeWorld
from abaca.model.share import Share
from abaca.modes import DriverMode
from abaca.network.plugin import NetworkType, Segment, Subnet
from abaca.service.managers import make_backends
from abaca.service.orphans import Audit, Repair
from abaca.torture.nursery import nursery
from abaca.torture.site import Setting, Site

PREFIX = "abaca-torture-"
TENANT_NETWORKS = ("one", "two")
SETTINGS = (
    Setting(backend="single", mode=DriverMode.SINGLE),
    Setting(backend="flat", mode=DriverMode.FLAT),
    Setting(backend="managed", mode=DriverMode.MANAGED, tenant_networks=TENANT_NETWORKS),
)
SPARE = Setting(backend="spare", mode=DriverMode.MANAGED)
"""Takes what ``managed`` can't; nobody asks for it by name."""
DEFAULTS = {"fail": "", "addresses": "1"}
NETWORKS = """
[flat-net]
network_plugin = standalone
gateway = 10.10.0.1
mask = 24
allowed_ip_ranges = 10.10.0.10-10.10.0.199
[managed-net]
network_plugin = standalone
service_cidr = 10.254.0.0/16
service_prefix = 26
segmentation_ids = 2000-2999
"""


def configuration(folder: Path, url: str, overrides: Mapping[str, str]) -> str:
    """The configuration file; ``overrides``: ``BACKEND.fail`` and the like."""
    lines = [
        "[DEFAULT]",
        "host = node",
        f"state_path = {folder}/state",
        f"enabled_share_backends = {', '.join(item.backend for item in (*SETTINGS, SPARE))}",
        "[database]",
        f"connection = {url.replace('%', '%%')}",
        NETWORKS,
    ]
    for setting in (*SETTINGS, SPARE):
        name = setting.backend
        said = {key: overrides.get(f"{name}.{key}", value) for key, value in DEFAULTS.items()}
        lines += [
            f"[{name}]",
            "share_driver = fake",
            f"driver_mode = {setting.mode}",
            f"share_backend_name = {'managed' if setting is SPARE else name}",
            f"fake_state_file = {folder}/{name}.json",
            f"fake_capacity_gib = {100 if setting is SPARE else 1000}",
            f"fake_addresses = {said['addresses']}",
            f"fake_fail = {said['fail']}",
        ]
        if setting.mode.has_share_servers:
            lines.append(f"network_config_group = {setting.mode.value.partition('_')[0]}-net")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class FakeWorlds:
    """What exists on the fake backends."""

    folder: Path
    db: Database
    config: Path

    def world(self, backend: str) -> FakeWorld:
        """What exists on one."""
        file = self.folder / f"{backend}.json"
        if not file.exists():
            return FakeWorld()
        return msgspec.json.decode(file.read_bytes(), type=FakeWorld)

    def census(self) -> Counter[str]:
        """Servers that serve, shares, their exports, sizes and rules, snapshots."""
        found: Counter[str] = Counter()
        for setting in (*SETTINGS, SPARE):
            here, name = self.world(setting.backend), setting.backend
            found[f"servers on {name}"] = len(here.servers)
            found[f"serving on {name}"] = sum(item.serving for item in here.servers.values())
            found[f"addresses on {name}"] = sum(len(i.addresses) for i in here.servers.values())
            found[f"shares on {name}"] = len(here.shares)
            found[f"exports on {name}"] = sum(item.exported for item in here.shares.values())
            found[f"rules on {name}"] = sum(len(item.rules) for item in here.shares.values())
            found[f"GiB on {name}"] = sum(item.size_gib for item in here.shares.values())
            found[f"snapshots on {name}"] = len(here.snapshots)
        return +found

    def strays(self) -> list[str]:
        """As an audit sees it; and addresses of nobody."""
        return strays(self.config, self.db)

    @contextmanager
    def _changing(self, backend: str) -> Iterator[FakeWorld]:
        """What exists there, changed by nobody else meanwhile, and written back."""
        file = self.folder / f"{backend}.json"
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            world = self.world(backend)
            yield world
            beside = file.with_suffix(".torture")
            beside.write_bytes(msgspec.json.encode(world))
            beside.replace(file)

    def write(self, share: Share, name: str) -> None:
        """A word more in its content."""
        with self._changing((share.instance.host or "").partition("@")[2]) as world:
            known = world.shares.get(share.instance.id)
            if known is None or not known.exported:
                raise OSError(f"{share.id} is not exported")
            known.content = " ".join(sorted({*known.content.split(), name}))

    def reboot(self, setting: Setting) -> None:
        """Servers no longer serve, nothing is exported."""
        with self._changing(setting.backend) as world:
            world.reboot()

    def names(self, share: Share) -> set[str]:
        """The words of its content."""
        backend = (share.instance.host or "").partition("@")[2]
        known = self.world(backend).shares.get(share.instance.id)
        assert known is not None, f"share {share.id} does not exist on {backend}"  # noqa: S101
        assert known.exported, f"share {share.id} is not exported"  # noqa: S101
        return set(known.content.split())


@cache
def _loaded(file: Path) -> Config:
    """What differs between configurations of one site makes no difference to an audit."""
    return load([file])


def strays(file: Path, db: Database) -> list[str]:
    """What drivers, plugins and the ledger have for no row, one line each."""
    audit = Audit(config=_loaded(file), db=db, age=timedelta(0), repair=Repair.NOTHING)
    lines = [
        f"{item.kind} {item.what} of {item.backend}"
        for item in audit.run()
        if item.state != "removed"
    ]
    with db.read() as tx:
        servers = set(tx.execute(select(t.share_servers.c.id)).scalars())
        held = tx.execute(select(t.addresses).where(t.addresses.c.owner.is_not(None))).all()
        claims = tx.execute(select(t.allocations)).all()
    lines += [f"address {row.address} of {row.owner}" for row in held if row.owner not in servers]
    return lines + [
        f"allocation of {row.share_server_id}"
        for row in claims
        if row.share_server_id not in servers
    ]


def odd(file: Path, db: Database) -> list[str]:
    """Where the drivers' records and the host differ, one line each."""
    return [
        f"{item.kind} {item.name} of {backend.name}{' lacks' if item.missing else ''}"
        for backend in make_backends(_loaded(file), db)
        if isinstance(backend.driver, Inspects)
        for item in backend.driver.oddities()
    ]


def add_networks(db: Database, projects: list[str], first: int = 5000) -> None:
    """Every project has its tenant networks, with equal CIDRs."""
    for number, project in enumerate(projects):
        for index, name in enumerate(TENANT_NETWORKS):
            cidr = ip_network(f"192.168.{50 + index}.0/24")
            networks.add_tenant_network(
                db,
                project_id=project,
                name=name,
                segment=Segment(
                    network_type=NetworkType.VXLAN,
                    segmentation_id=first + number * len(TENANT_NETWORKS) + index,
                    physical_network=None,
                    mtu=1450,
                    subnets=(Subnet(cidr=cidr, gateway=cidr[1]),),
                ),
            )


@contextmanager
def fake_site(url: str | None, projects: list[str]) -> Iterator[Site]:
    """A site on this database (None: SQLite in its folder), with nothing on it."""
    # Nothing here needs to survive the machine.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=memory))
    where = url or f"sqlite:///{folder}/abaca.db"
    db = Database(where, pool_size=4)
    try:
        with nursery(f"{PREFIX}{secrets.token_hex(3)}") as births:
            site = Site(
                folder=folder,
                db=db,
                nursery=births,
                world=FakeWorlds(folder, db, folder / "abaca.conf"),
                settings=SETTINGS,
                configure=lambda overrides: configuration(folder, where, overrides),
            )
            site.prepare()
            add_networks(db, projects)
            try:
                yield site
            finally:
                site.stop()
    finally:
        db.close()
        shutil.rmtree(folder, ignore_errors=True)
