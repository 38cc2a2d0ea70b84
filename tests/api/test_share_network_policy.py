"""To see, to use and to manage share networks: three policies, each for each role."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SETUPS = Path(__file__).parent / "setups"
# Who: what comes of it on red's own network, on blue's public one, and on blue's private one.
SEE = {
    "admin": (200, 200, 200),
    "mona": (200, 200, 404),
    "alice": (200, 200, 404),
    "rita": (200, 200, 404),
    "bob": (404, 200, 200),
}
USE = {
    "admin": (404, 200, 404),
    "mona": (200, 200, 404),
    "alice": (200, 200, 404),
    "rita": (403, 403, 403),
    "bob": (404, 200, 200),
}
MANAGE = {
    "admin": (200, 200, 200),
    "mona": (200, 403, 404),
    "alice": (200, 403, 404),
    "rita": (403, 403, 403),
    "bob": (404, 200, 200),
}
REMOVE = {who: tuple(202 if code == 200 else code for code in row) for who, row in MANAGE.items()}
NETWORKS = ("red", "blue", "hidden")


def setup(name: str) -> ModuleType:
    """A file of ``setups/``."""
    spec = importlib.util.spec_from_file_location(f"setup_{name}", SETUPS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ids(client: Any) -> dict[str, str]:
    """Share networks by name, beside backends and share types."""
    setup("operations").backends(client.db)
    return setup("networks").described(client.db)


@pytest.mark.parametrize("who", SEE)
def test_see(client: Any, ids: dict[str, str], who: str) -> None:
    """One's own and the public ones are seen; of others not even that they exist."""
    got = [client.call(who, "GET", f"/v2/share-networks/{ids[name]}") for name in NETWORKS]
    assert tuple(item.status_code for item in got) == SEE[who]
    listed = client.call(who, "GET", "/v2/share-networks").json["share_networks"]
    mine = {"admin": set(), "bob": {"blue", "hidden"}}.get(who, {"red"})
    assert {item["id"] for item in listed} == {ids[name] for name in {*mine, "blue"}}


@pytest.mark.parametrize("who", USE)
def test_use(client: Any, ids: dict[str, str], who: str) -> None:
    """Whoever may see it and create shares puts them on it; readers don't."""
    got = []
    for name in NETWORKS:
        share = {
            "size": 1,
            "share_proto": "NFS",
            "share_type": "two",
            "share_network_id": ids[name],
        }
        got.append(client.call(who, "POST", "/v2/shares", body={"share": share}))
    assert tuple(item.status_code for item in got) == USE[who]


@pytest.mark.parametrize("who", MANAGE)
def test_manage(client: Any, ids: dict[str, str], who: str) -> None:
    """Its project's members and administrators change it, nobody else, public or not."""
    body = {"share_network": {"description": f"by {who}"}}
    got = [
        client.call(who, "PUT", f"/v2/share-networks/{ids[name]}", body=body) for name in NETWORKS
    ]
    assert tuple(item.status_code for item in got) == MANAGE[who]


@pytest.mark.parametrize("who", REMOVE)
def test_remove(client: Any, ids: dict[str, str], who: str) -> None:
    """And delete it."""
    got = [client.call(who, "DELETE", f"/v2/share-networks/{ids[name]}") for name in NETWORKS]
    assert tuple(item.status_code for item in got) == REMOVE[who]
    left = [
        client.call("admin", "GET", f"/v2/share-networks/{ids[name]}").status_code
        for name in NETWORKS
    ]
    assert left == [404 if code == 202 else 200 for code in REMOVE[who]]


@pytest.mark.parametrize("who", SEE)
def test_provider_details(client: Any, ids: dict[str, str], who: str) -> None:
    """Network IDs are for the network's project, segmentation for administrators."""
    for name, owner in (("red", "red"), ("blue", "blue")):
        got = client.call(who, "GET", f"/v2/share-networks/{ids[name]}")
        if got.status_code != 200:
            continue
        network = got.json["share_network"]
        project = {"admin": "ops", "bob": "blue"}.get(who, "red")
        shown = who == "admin" or project == owner
        assert (network["neutron_net_id"] is not None) is shown
        assert (network["cidr"] is not None) is shown
        assert (network["segmentation_id"] is not None) is (who == "admin")
