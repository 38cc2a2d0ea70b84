"""Administrators whose network is one of Neutron's: ports of their own, which go apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from abaca.config import load
from abaca.db.tables import now
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.modes import DriverMode
from abaca.network.bound import collect
from abaca.service.managers import make_backends
from abaca.service.state import open_database
from abaca.states import ShareStatus
from abaca.testing.wait import until
from support.configuration import Options, text_of
from support.control_plane import Api
from support.neutron.world import Cloud, values

pytestmark = pytest.mark.timeout(300)

CIDRS = {"lab": "10.71.0.0/24", "admins": "10.66.0.0/24"}
OPTIONS = ManagerOptions(supervise_seconds=0.2, report_seconds=0.5, share_server_idle_seconds=1)
CONFIG = """\
[DEFAULT]
host = node1
state_path = {folder}/state
enabled_share_backends = one
[one]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = lab
{admins}
fake_state_file = {folder}/world.json
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A backend, the sections of two networks of Neutron's with one owner tag, and a database."""

    cloud: Cloud
    folder: Path
    sections: dict[str, dict[str, object]]
    api: Api

    @contextmanager
    def running(self, *, admins: bool) -> Iterator[Backend]:
        """Its manager, with the administrators' network or without."""
        (backend,) = make_backends(load((self.file(admins=admins),), ()), self.api.db)
        manager = ShareManager(self.api.db, [backend], OPTIONS)
        manager.start()
        try:
            yield backend
        finally:
            assert manager.stop(), "work was left under way"

    def file(self, *, admins: bool) -> Path:
        """The configuration."""
        line = "admin_network_config_group = admins" if admins else ""
        text = CONFIG.format(folder=self.folder, admins=line)
        for name in ("lab", "admins") if admins else ("lab",):
            text += f"[{name}]\nnetwork_plugin = neutron\n"
            text += "".join(f"{key} = {value}\n" for key, value in self.sections[name].items())
        found = self.folder / "abaca.conf"
        found.write_text(text)
        return found

    def ports(self, section: str) -> dict[str, str]:
        """Name and address of each port on that network."""
        found = self.cloud.ports(network_id=self.sections[section]["network"])
        return {item["name"]: item["fixed_ips"][0]["ip_address"] for item in found}

    def locations(self) -> dict[bool, str]:
        """The address of the tenants' export location, and (True) of the administrators'."""
        rows = self.api.rows("export_locations")
        found = {bool(row["is_admin_only"]): str(row["path"]).partition(":")[0] for row in rows}
        assert len(found) == len(rows)
        return found


@pytest.fixture
def scene(cloud: Cloud, tmp_path: Path, stored: Mapping[str, Options]) -> Iterator[Scene]:
    """Nothing runs yet."""
    sections = {
        name: values(cloud.url, network=cloud.network(cidr)["id"], owner_tag=f"tag-{tmp_path.name}")
        for name, cidr in CIDRS.items()
    }
    file = tmp_path / "first.conf"
    file.write_text(text_of({"DEFAULT": {"state_path": tmp_path / "state"}, **stored}))
    db = open_database(load((file,), (), need_backends=False).service)
    yield Scene(cloud=cloud, folder=tmp_path, sections=sections, api=Api(db))
    db.close()


def test_ports_of_administrators(scene: Scene) -> None:
    """Both locations are at ports of their own networks; the administrators' goes and comes alone.

    With the share both are released.
    """
    api = scene.api
    with scene.running(admins=True):
        api.until(lambda: api.rows("pools"))
        share = api.share(api.share_type(DriverMode.FLAT), network_id=api.share_network())
        status = ShareStatus.AVAILABLE
        until(lambda: _status(api, share) is status, "it is available", seconds=60)
        first = scene.locations()
        assert scene.ports("lab") == {"abaca/user/0/lab": first[False]}
        assert scene.ports("admins") == {"abaca/admin/0/admins": first[True]}
        for hidden, section in ((False, "lab"), (True, "admins")):
            assert ip_address(first[hidden]) in ip_network(CIDRS[section])

    with scene.running(admins=False) as backend:
        until(lambda: scene.locations() == {False: first[False]}, "the other is away", seconds=60)
        assert backend.plugin is not None
        (removed,) = collect(backend.plugin, api.db, now())
        assert first[True] in removed
        assert scene.ports("admins") == {}
        assert scene.ports("lab") == {"abaca/user/0/lab": first[False]}

    with scene.running(admins=True):
        until(lambda: len(scene.locations()) == len(CIDRS), "it is back", seconds=60)
        assert scene.locations()[False] == first[False]
        assert scene.ports("admins") == {"abaca/admin/0/admins": scene.locations()[True]}
        api.delete(share)
        until(lambda: not scene.ports("lab"), "the tenants' port goes", seconds=60)
        until(lambda: not scene.ports("admins"), "the administrators' port goes", seconds=60)
        until(lambda: not api.rows("allocations"), "nothing is held", seconds=60)


def _status(api: Api, share: str) -> ShareStatus:
    found = api.read(share)
    assert found is not None
    assert found.instance.status is not ShareStatus.ERROR, api.messages()
    return found.instance.status
