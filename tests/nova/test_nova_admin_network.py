"""Administrators' addresses out of a real nova, for share servers of both multi modes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address, summarize_address_range
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from abaca.config import load
from abaca.identity.accounts import Accounts
from abaca.identity.passwords import Hasher
from abaca.service.state import open_database
from abaca.testing.wait import until
from support.configuration import Options, text_of
from support.nova.server import ADMIN, NovaServer
from support.serving import serving

CONFIG = """
[DEFAULT]
host = node1
state_path = {folder}/state
listen_port = 0
enabled_share_backends = flat, tenants
report_seconds = 1
share_server_idle_seconds = 1
supervise_seconds = 1
[flat]
share_driver = fake
driver_mode = flat_multi_svm
network_config_group = storage
admin_network_config_group = admins
[tenants]
share_driver = fake
driver_mode = managed_multi_svm
network_config_group = own
admin_network_config_group = admins
[storage]
network_plugin = standalone
gateway = 10.10.0.1
mask = 24
[own]
network_plugin = standalone
service_cidr = 10.254.0.0/16
segmentation_ids = 2000-2999
[admins]
network_plugin = nova
auth_type = none
token = {token}
endpoint_override = {nova}
network = flat
allowed_ip_ranges = 10.50.0.20-10.50.0.27
"""
PASSWORD = "of-a-throw-away-user"
FIRST, LAST = ip_address("10.50.0.20"), ip_address("10.50.0.27")
SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is logged in."""

    api: Adapter

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """An answer that is no refusal."""
        headers = {"X-OpenStack-Manila-API-Version": "2.65"}
        answer = self.api.request(path, method, json=body, headers=headers)
        return answer.json() if answer.content else None

    def locations(self, share: str) -> list[Any]:
        """The share's export locations."""
        return list(self.ask("GET", f"/shares/{share}/export_locations")["export_locations"])


@pytest.fixture
def people(
    nova: NovaServer, tmp_path: Path, stored: Mapping[str, Options]
) -> Iterator[tuple[Person, Person]]:
    """The administrator, and alice, of an Abaca that runs."""
    file = tmp_path / "abaca.conf"
    text = CONFIG.format(folder=tmp_path, token=ADMIN, nova=nova.url)
    file.write_text(text + text_of(stored))
    with closing(open_database(load((file,), ()).service)) as db:
        accounts = Accounts(db, Hasher())
        accounts.bootstrap(PASSWORD)
        accounts.create_project("alice")
        accounts.create_user("alice", PASSWORD)
        accounts.grant("alice", "alice", "member")
    with serving(file, tmp_path / "abaca.log") as (url, _):
        yield _logged_in(url, "admin"), _logged_in(url, "alice")


def _logged_in(url: str, name: str) -> Person:
    login = Password(
        f"{url}/identity/v3",
        username=name,
        password=PASSWORD,
        project_name=name,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return Person(api=Adapter(Session(auth=login), endpoint_override=f"{url}/v2"))


def shares_of(admin: Person, alice: Person) -> dict[str, str]:
    """One on each backend, all on one share network: IDs by backend."""
    made = alice.ask("POST", "/share-networks", {"share_network": {}})["share_network"]["id"]
    found = {}
    for name, mode in (("flat", "flat_multi_svm"), ("tenants", "managed_multi_svm")):
        specs = {"driver_handles_share_servers": True, "driver_mode": mode}
        admin.ask("POST", "/types", {"share_type": {"name": name, "extra_specs": specs}})
        share = {"share_proto": "NFS", "size": 1, "share_type": name, "share_network_id": made}
        found[name] = alice.ask("POST", "/shares", {"share": share})["share"]["id"]
    return found


def available(alice: Person, shares: dict[str, str]) -> bool:
    """True once all are; fails if one can't be."""
    found = {alice.ask("GET", f"/shares/{item}")["share"]["status"] for item in shares.values()}
    assert "error" not in found, alice.ask("GET", "/messages")
    return found == {"available"}


def test_an_admin_network_of_nova(nova: NovaServer, people: tuple[Person, Person]) -> None:
    """Each server has an address that nova keeps for it, which only administrators see."""
    admin, alice = people
    shares = shares_of(admin, alice)
    until(lambda: available(alice, shares), "the shares are available", seconds=SECONDS)

    ranges = list(summarize_address_range(FIRST, LAST))
    addresses = set()
    for share in shares.values():
        (seen,) = alice.locations(share)
        everybodys, administrators = sorted(
            admin.locations(share), key=lambda item: bool(item["is_admin_only"])
        )
        assert everybodys["path"] == seen["path"]
        assert administrators["is_admin_only"]
        address = administrators["path"].partition(":")[0]
        assert any(ip_address(address) in item for item in ranges)
        addresses.add(address)
    assert len(addresses) == len(shares)
    assert nova.reserved() - nova.reserved_at_first() == addresses
    servers = admin.ask("GET", "/share-servers")["share_servers"]
    shown = {
        admin.ask("GET", f"/share-servers/{item['id']}")["share_server"]["backend_details"][
            "admin_addresses"
        ]
        for item in servers
    }
    assert shown == addresses

    for share in shares.values():
        alice.ask("DELETE", f"/shares/{share}")
    until(
        lambda: nova.reserved() == nova.reserved_at_first(),
        "nova has the administrators' addresses back",
        seconds=SECONDS,
    )
    until(
        lambda: not admin.ask("GET", "/share-servers")["share_servers"],
        "the share servers are gone",
        seconds=SECONDS,
    )
