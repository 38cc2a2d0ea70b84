"""From ``nova_net_id`` in the API to an address that a real nova has reserved, and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from support.configuration import Options, text_of
from support.nova.server import ADMIN, VLAN, NovaServer
from support.serving import serving

CONFIG = """
[DEFAULT]
host = node1
state_path = {folder}/state
listen_port = 0
enabled_share_backends = tenants
report_seconds = 1
share_server_idle_seconds = 1
supervise_seconds = 1
[tenants]
share_driver = fake
driver_mode = managed_multi_svm
network_config_group = nova1
[nova1]
network_plugin = nova
auth_type = none
token = {token}
endpoint_override = {nova}
physical_network = phys1
"""


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.3)


def test_a_share_on_a_vlan_of_nova(
    nova: NovaServer, tmp_path: Path, stored: Mapping[str, Options]
) -> None:
    """A share network made at 2.25 names it; the server is on it; with the server all is gone."""
    nova.sql("UPDATE networks SET project_id = NULL WHERE uuid = ?", VLAN)
    file = tmp_path / "abaca.conf"
    text = CONFIG.format(folder=tmp_path, token=ADMIN, nova=nova.url)
    file.write_text(text + text_of(stored))
    with serving(file, tmp_path / "abaca.log") as (url, password):
        login = Password(
            f"{url}/identity/v3",
            username="admin",
            password=password,
            project_name="admin",
            user_domain_name="Default",
            project_domain_name="Default",
        )
        api = Adapter(Session(auth=login), endpoint_override=f"{url}/v2")
        scenario(Calls(api), nova)


class Calls:
    """Requests at 2.25."""

    def __init__(self, api: Adapter) -> None:
        self._api = api
        self._headers = {"X-OpenStack-Manila-API-Version": "2.25"}

    def make(self, path: str, kind: str, **values: Any) -> Any:
        """POST; what was made."""
        return self._api.post(path, json={kind: values}, headers=self._headers).json()[kind]

    def get(self, path: str) -> Any:
        """GET; the answer."""
        return self._api.get(path, headers=self._headers).json()

    def remove(self, path: str) -> None:
        """DELETE."""
        self._api.delete(path, headers=self._headers)


def scenario(calls: Calls, nova: NovaServer) -> None:
    """Type, network, share; then all of it away again."""
    specs = {"driver_handles_share_servers": "true"}
    calls.make("/types", "share_type", name="multi", extra_specs=specs)
    network = calls.make("/share-networks", "share_network", nova_net_id=VLAN)
    assert network["nova_net_id"] == VLAN
    share = calls.make(
        "/shares",
        "share",
        share_proto="NFS",
        size=1,
        share_type="multi",
        share_network_id=network["id"],
    )
    path = f"/shares/{share['id']}"
    until(lambda: calls.get(path)["share"]["status"] == "available", "the share is not available")
    shown = calls.get(f"/share-networks/{network['id']}")["share_network"]
    assert (shown["network_type"], shown["segmentation_id"]) == ("vlan", 100)
    assert (shown["cidr"], shown["mtu"]) == ("10.60.0.0/27", 1500)
    assert nova.reserved() - nova.reserved_at_first()
    calls.remove(path)
    until(lambda: calls.get("/shares")["shares"] == [], "the share does not go")
    until(
        lambda: nova.reserved() == nova.reserved_at_first(), "nova still has the server's address"
    )
