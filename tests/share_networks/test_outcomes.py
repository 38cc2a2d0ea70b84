"""Every cell of the table in docs/share-networks.md, made through the API by a share manager."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from abaca.api.app import make_app
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db import availability_zones, share_network_subnets, share_types
from abaca.db.database import Database
from abaca.db.tables import new_id, now
from abaca.drivers.fake import FakeDriver
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.manager.options import ManagerOptions
from abaca.model.share_network import ShareNetworkSubnet
from abaca.modes import DriverMode
from abaca.network.fake import NETWORK_IDS, FakeCloud, FakePlugin
from abaca.network.plugin import NetworkType
from abaca.work.run import RetryOptions
from abaca.work.worker import WorkOptions
from api.conftest import ByName, Client
from support.control_plane import ZONE
from support.databases import Databases

DOC = Path(__file__).parents[2] / "docs" / "share-networks.md"
ELSEWHERE = "elsewhere"
TYPES = {
    "single_svm": {"driver_handles_share_servers": "False", "driver_mode": "single_svm"},
    "flat_multi_svm": {"driver_handles_share_servers": "True", "driver_mode": "flat_multi_svm"},
    "managed": {"driver_handles_share_servers": "True", "driver_mode": "managed_multi_svm"},
    "any": {"driver_handles_share_servers": "True", "driver_mode": "any"},
}
# What the plugin of the managed backend takes: IDs, and whether it makes networks besides.
PLUGINS = {
    "": (NETWORK_IDS, False),
    "neutron": (("neutron_net_id",), False),
    "nova": (("nova_net_id",), False),
    "either": (NETWORK_IDS, False),
    "makes": (NETWORK_IDS, True),
}
NEUTRON = {"neutron_net_id": "net-1", "neutron_subnet_id": "sub-1"}
OTHER = {"neutron_net_id": "net-2", "neutron_subnet_id": "sub-2"}
NOVA = {"nova_net_id": "nova-1"}
# By row: the version and body that make the share network, and further subnets of its zone.
NETWORKS: dict[str, tuple[str, dict[str, str], list[dict[str, str]]] | None] = {
    "none": None,
    "without subnet": ("2.65", {}, []),
    "subnet without IDs": ("2.65", {"availability_zone": ZONE}, []),
    "Neutron pair": ("2.65", NEUTRON, []),
    "nova network": ("2.25", NOVA, []),
    "two Neutron pairs": ("2.65", NEUTRON, [OTHER]),
    "Neutron pair, and one without IDs": ("2.65", NEUTRON, [{}]),
    "Neutron pair, and a nova network": ("2.65", NEUTRON, [NOVA]),
    "Neutron pair in another zone": ("2.65", {**NEUTRON, "availability_zone": ELSEWHERE}, []),
}
FAST = ManagerOptions(
    work=WorkOptions(
        threads=2, stop_seconds=60, retry=RetryOptions(first=0.02, longest=0.1, jitter=0.01)
    )
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What the document says of a share network under a column."""

    network: str
    column: str
    outcome: str

    @property
    def mode(self) -> str:
        """What the share type asks."""
        return self.column.partition(":")[0]


def cells() -> list[Cell]:
    """The table, read from the document."""
    lines = [
        [word.strip() for word in line.strip("| \n").split("|")]
        for line in DOC.read_text().split("## What comes of it")[1].split("\n- ")[0].splitlines()
        if line.startswith("|")
    ]
    head, _, *rows = lines
    return [
        Cell(row[0], column, outcome)
        for row in rows
        for column, outcome in zip(head[1:], row[1:], strict=True)
    ]


@dataclass(frozen=True)
class Site:
    """An API and a share manager with backends of fakes."""

    client: Client
    flat: FakeCloud
    managed: FakeCloud
    types: dict[str, str]

    def network(self, kind: str) -> str | None:
        """A new share network of red's; its ID."""
        said = NETWORKS[kind]
        if said is None:
            return None
        version, body, more = said
        answer = self.client.call(
            "alice", "POST", "/v2/share-networks", version=version, body={"share_network": body}
        )
        assert answer.status_code == 200, answer.text
        network_id = str(answer.json["share_network"]["id"])
        for ids in more:
            with self.client.db.write() as tx:
                share_network_subnets.add(tx, subnet(network_id, ids))
        return network_id

    def share(self, cell: Cell, network_id: str | None) -> Any:
        """The answer to the request for a share."""
        return self.client.call(
            "alice",
            "POST",
            "/v2/shares",
            version="2.65",
            body={"share": self._asked(cell, network_id)},
        )

    def explanation(self, cell: Cell, network_id: str | None) -> dict[str, Any]:
        """What the explain call says to the same."""
        answer = self.client.call(
            "alice",
            "POST",
            "/v2/share-networks/explain",
            body={"explain": self._asked(cell, network_id)},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json["explanation"]
        return found

    def _asked(self, cell: Cell, network_id: str | None) -> dict[str, Any]:
        wanted = {"share_proto": "NFS", "size": 1, "share_type": self.types[cell.mode]}
        return wanted if network_id is None else {**wanted, "share_network_id": network_id}

    def available(self, share_id: str) -> dict[str, Any]:
        """The share as an administrator sees it, once it is there."""
        deadline = time.monotonic() + 60
        while True:
            answer = self.client.call("admin", "GET", f"/v2/shares/{share_id}", version="2.65")
            found: dict[str, Any] = answer.json["share"]
            if found["status"] == "available":
                return found
            assert found["status"] == "creating", found
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def wires(self, cloud: FakeCloud, server_id: str) -> list[str]:
        """The networks on which a share server has ports, by what they were found or made for."""
        segments = [
            port.allocation.segment
            for port in cloud.ports
            if port.claim is not None and port.claim.owner == server_id
        ]
        if cloud is self.flat:
            assert {item.network_type for item in segments} == {NetworkType.FLAT}
            return ["flat" for _ in segments]
        return sorted(
            next(name for name, it in cloud.networks.items() if it == segment)
            for segment in segments
        )


def subnet(network_id: str, ids: dict[str, str]) -> ShareNetworkSubnet:
    """A further subnet of every zone."""
    return ShareNetworkSubnet(
        id=new_id(),
        share_network_id=network_id,
        availability_zone=None,
        neutron_net_id=ids.get("neutron_net_id"),
        neutron_subnet_id=ids.get("neutron_subnet_id"),
        nova_net_id=ids.get("nova_net_id"),
        metadata={},
        created_at=now(),
        updated_at=None,
    )


def backend(name: str, mode: DriverMode, plugin: FakePlugin | None) -> Backend:
    """A backend of fakes."""
    return Backend(
        name=name,
        host=f"node1@{name}",
        mode=mode,
        driver=FakeDriver(mode),
        plugin=plugin,
        network_section=f"net-{name}" if plugin else None,
        availability_zone=ZONE,
    )


@contextmanager
def running(column: str, url: str) -> Iterator[Site]:
    """A site for a column: backends of all modes; for ``any`` no flat one, which takes all."""
    mode, _, needs = column.partition(": ")
    ids, makes = PLUGINS[needs]
    flat, managed = FakeCloud(), FakeCloud()
    plugin = FakePlugin(
        [ip_network("10.99.0.0/24")], DriverMode.MANAGED, managed, makes=makes, ids=ids
    )
    backends = [
        backend("single", DriverMode.SINGLE, None),
        backend("managed", DriverMode.MANAGED, plugin),
    ]
    if mode != "any":
        own = FakePlugin([ip_network("10.98.0.0/24")], DriverMode.FLAT, flat, makes=False)
        backends.append(backend("flat", DriverMode.FLAT, own))
    db = Database(url)
    db.create_schema()
    with db.write() as tx:
        availability_zones.ensure(tx, ELSEWHERE)
        types = {
            name: share_types.create(
                tx, name=name, description=None, is_public=True, extra_specs=specs
            )
            for name, specs in TYPES.items()
        }
    manager = ShareManager(db, backends, FAST)
    manager.start()
    app = make_app(db, ApiSettings(), ByName(), Policy(RULES))
    yield Site(Client(db, app), flat, managed, types)
    assert manager.stop()
    db.close()


@pytest.fixture(scope="module")
def sites(databases: Databases) -> Iterator[Callable[[str], Site]]:
    """The site of a column, started when it is first asked for."""
    with ExitStack() as stack:
        started: dict[str, Site] = {}

        def site(column: str) -> Site:
            if column not in started:
                url = stack.enter_context(databases.one())
                started[column] = stack.enter_context(running(column, url))
            return started[column]

        yield site


def refused(site: Site, cell: Cell, network_id: str | None) -> None:
    """400 at once that names the field, as explain says it; and nothing is there."""
    field = cell.outcome.removeprefix("400 ")
    answer = site.share(cell, network_id)
    assert answer.status_code == 400, answer.text
    message = answer.json["badRequest"]["message"]
    assert re.search(rf": (add|replace) .*{field}", message), message
    assert site.explanation(cell, network_id)["refused"] == message
    listed = site.client.call(
        "alice", "GET", f"/v2/shares?share_network_id={network_id or ''}"
    ).json["shares"]
    assert network_id is None or listed == []


def in_single(_site: Site, share: dict[str, Any], _network_id: str) -> None:
    """On the backend without share servers."""
    assert share["host"] == "node1@single#fake"
    assert share["share_server_id"] is None
    assert share["effective_share_network_id"] is None


def on_flat(site: Site, share: dict[str, Any], network_id: str) -> None:
    """On a share server with an address of the flat network."""
    assert share["host"] == "node1@flat#fake"
    assert share["effective_share_network_id"] == network_id
    assert site.wires(site.flat, share["share_server_id"]) == ["flat"]


def on_managed(
    site: Site, share: dict[str, Any], network_id: str, *, used: bool, made: bool
) -> None:
    """On a share server with an interface per subnet."""
    assert share["host"] == "node1@managed#fake"
    assert share["effective_share_network_id"] == network_id
    with site.client.db.read() as tx:
        subnets = share_network_subnets.of_networks(tx, [network_id]).get(network_id, ())
    wires = site.wires(site.managed, share["share_server_id"])
    named = [item.neutron_net_id or item.nova_net_id for item in subnets if item.names_network]
    unnamed = [f"made:{item.id}" for item in subnets if not item.names_network]
    if not subnets:
        unnamed = [f"made:{network_id}"]
    assert wires == sorted([*map(str, named), *unnamed])
    assert (bool(named), bool(unnamed)) == (used, made)


OUTCOMES: dict[str, Callable[[Site, dict[str, Any], str], None]] = {
    "ignored": in_single,
    "single_svm": in_single,
    "IDs ignored": on_flat,
    "used": lambda *found: on_managed(*found, used=True, made=False),
    "made": lambda *found: on_managed(*found, used=False, made=True),
    "used and made": lambda *found: on_managed(*found, used=True, made=True),
}


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.column}-{cell.network}")
def test_cell(sites: Callable[[str], Site], cell: Cell) -> None:
    """What the document says comes of it."""
    site = sites(cell.column)
    network_id = site.network(cell.network)
    if cell.outcome.startswith("400 "):
        refused(site, cell, network_id)
        return
    expected = site.explanation(cell, network_id)
    answer = site.share(cell, network_id)
    assert answer.status_code == 200, answer.text
    share = site.available(answer.json["share"]["id"])
    assert share["share_network_id"] == network_id
    OUTCOMES[cell.outcome](site, share, str(network_id))
    assert expected["refused"] is None
    assert expected["backends"][0]["driver_mode"].startswith(share["host"][6:10])


def test_the_table_is_whole() -> None:
    """Every share network there is, under every mode with every plugin, has one outcome."""
    found = cells()
    columns = {"single_svm", "flat_multi_svm"} | {
        f"{mode}: {needs}" for mode in ("managed", "any") for needs in PLUGINS if needs
    }
    assert {(cell.network, cell.column) for cell in found} == {
        (network, column) for network in NETWORKS for column in columns
    }
    assert len(found) == len(NETWORKS) * len(columns)
    assert {cell.outcome for cell in found if not cell.outcome.startswith("400 ")} == set(OUTCOMES)
