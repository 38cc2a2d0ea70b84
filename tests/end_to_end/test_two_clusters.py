"""Two clusters on two flat networks: Abaca's own ledger or a Neutron, tenants see no difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from abaca.demo import nfs
from support.configuration import Options
from support.demo_config import demo_config
from support.neutron.server import NeutronServer, empty_database, installed
from support.neutron.world import Cloud, section

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]
PORT = 9696
OF_THE_HOST = {"pid", "namespace", "storage", "physical_network", "mac_address"}
"""Details for administrators, of how a server runs: Neutron gives it a MAC address, say."""


def config(flat1: Options, flat2: Options) -> str:
    """Two clusters, each on a network of its own, and no word of which in requests."""
    default = {"default_share_network": "lab-public", "share_server_idle_seconds": 1}
    return demo_config("cluster1", "cluster2", DEFAULT=default, flat1=flat1, flat2=flat2)


def standalone(prefix: str) -> Options:
    """A network of Abaca's own ledger."""
    return {
        "network_plugin": "standalone",
        "gateway": f"{prefix}.1",
        "mask": 24,
        "allowed_ip_ranges": f"{prefix}.10-{prefix}.99",
        "mtu": 1500,
    }


URL = f"http://127.0.0.1:{PORT}"
STANDALONE = config(standalone("10.10.0"), standalone("10.20.0"))
NEUTRON = config(
    section(URL, network="lab-flat1", subnet="lab-v4"), section(URL, network="ID-OF-FLAT2")
)


@contextmanager
def lab(server: NeutronServer) -> Iterator[dict[str, str]]:
    """A Neutron to which an operator has added the two networks."""
    server.start()
    try:
        cloud = Cloud(server.url)
        made = {}
        for name, prefix in (("flat1", "10.10.0"), ("flat2", "10.20.0")):
            made[name] = cloud.network(
                **{
                    "name": f"lab-{name}",
                    "provider:network_type": "flat",
                    "provider:physical_network": name,
                }
            )
            pool = {"start": f"{prefix}.10", "end": f"{prefix}.99"}
            cloud.subnet(made[name], f"{prefix}.0/24", name="lab-v4", allocation_pools=[pool])
        yield {"ID-OF-FLAT2": str(made["flat2"]["id"])}
    finally:
        server.stop()


@pytest.fixture
def neutron(tmp_path: Path) -> NeutronServer:
    """Not started yet: it will run on the storage host, which is to be made."""
    empty_database(installed())
    return NeutronServer(home=tmp_path, port=PORT)


class Told:
    """What the API told somebody, but for what has to differ: IDs, times, and which address."""

    def __init__(self, site: Any) -> None:
        self._site = site
        self._ids: dict[str, str] = {}
        self.answers: list[tuple[str, str]] = []

    def ask(self, user: str, method: str, path: str, body: object = None) -> Any:
        """The answer, which is kept."""
        found = self.peek(user, method, path, body)
        self.keep(f"{user}: {method} {path}", found)
        return found

    def keep(self, request: str, answer: object) -> None:
        """Remember it."""
        self.answers.append((self._same(request), self._same(repr(answer))))

    def peek(self, user: str, method: str, path: str, body: object = None) -> Any:
        """The answer, which is not kept: there are as many as there is time."""
        send = getattr(self._site.clients[user].client, method.lower())
        return (send(path, body=body) if body is not None else send(path))[1]

    def _same(self, text: str) -> str:
        def label(found: re.Match[str]) -> str:
            return self._ids.setdefault(found[0].replace("-", ""), f"id{len(self._ids)}")

        text = re.sub(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", label, text)
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "TIME", text)
        text = re.sub(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC", text)
        return re.sub(r"(10\.[12]0\.0\.)[1-9]\d\b", r"\1X", text)


def test_the_same_with_and_without_neutron(
    new_site: Callable[..., AbstractContextManager[Any]], neutron: NeutronServer
):
    """The same requests, shares that are mounted, and the same answers."""
    told = []
    for config, beside in (
        (STANDALONE, lambda _site: nullcontext()),
        (NEUTRON, lambda _site: lab(neutron)),
    ):
        with new_site(config, beside) as site:
            told.append(scenario(site))
    for alone, with_neutron in zip(*told, strict=True):
        assert alone == with_neutron


def scenario(site: Any) -> list[tuple[str, str]]:
    """One share network without subnets serves both clusters and both projects."""
    told = Told(site)
    public = {"name": "lab-public", "is_public": True}
    network = told.ask("admin", "POST", "/share-networks", {"share_network": public})
    shares = [
        made(told, user, cluster)
        for user, cluster in (("alice", "cluster1"), ("alice", "cluster2"), ("bob", "cluster1"))
    ]
    for user, cluster, share in shares:
        used(site, told, user, cluster, share)
    path = f"/share-networks/{network['share_network']['id']}"
    for user in ("admin", "alice"):
        told.ask(user, "GET", path)
    servers = told.peek("admin", "GET", "/share-servers")["share_servers"]
    assert len(servers) == 3
    # Bob came last: his server is of the other project on the same backend.
    alice = told.peek("alice", "GET", f"/shares/{shares[0][2]}")["share"]["project_id"]
    for server in sorted(servers, key=lambda item: (item["project_id"] != alice, item["host"])):
        shown = told.peek("admin", "GET", f"/share-servers/{server['id']}")["share_server"]
        details = {key: value for key, value in shown.pop("backend_details").items()
                   if key not in OF_THE_HOST}  # fmt: skip
        told.keep(f"admin: server on {server['host']}", (shown, details))
    for user, _, share in shares:
        told.ask(user, "DELETE", f"/shares/{share}")
    site.until(
        lambda: not told.peek("admin", "GET", "/share-servers")["share_servers"],
        "the share servers go",
    )
    told.ask("admin", "DELETE", path)
    return told.answers


def made(told: Told, user: str, cluster: str) -> tuple[str, str, str]:
    """Ask for a share that names no network: it goes to the default one."""
    body = {"share": {"share_proto": "NFS", "size": 1, "share_type": cluster}}
    return user, cluster, told.ask(user, "POST", "/shares", body)["share"]["id"]


def used(site: Any, told: Told, user: str, cluster: str, share: str) -> None:
    """Wait for it, allow the user's machine, and write and read there."""
    path, machine = f"/shares/{share}", site.topology.machines[user]
    network = cluster.replace("cluster", "flat")

    def state(key: str) -> str:
        return str(told.peek(user, "GET", path)["share"][key])

    site.until(lambda: state("status") != "creating", "the share is made")
    assert state("status") == "available", site.service.log.read_text()[-3000:]
    rule = {"access_type": "ip", "access_to": machine.address(network), "access_level": "rw"}
    told.ask(user, "POST", f"{path}/action", {"allow_access": rule})
    site.until(lambda: state("access_rules_status") == "active", "the rule is in force")
    told.ask(user, "GET", path)
    told.ask(user, "GET", f"/share-access-rules?share_id={share}")
    (location,) = told.ask(user, "GET", f"{path}/export_locations")["export_locations"]
    assert location["path"].startswith(machine.address(network).rpartition(".")[0])
    data = cluster.encode()
    assert nfs.write(machine, location["path"], "file", data) == nfs.read(
        machine, location["path"], "file"
    )
