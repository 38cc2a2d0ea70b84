"""What belongs to the provider of a public share network stays with its project and administrators.

Each answer there is about share networks, at every version, is searched for it as text.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from abaca.api.microversion import HISTORY
from abaca.api.routes import ROUTES
from abaca.db import share_networks
from api.setups import roles

PROVIDER = ("net-open", "net-open-sub", "10.7.0.")
"""Which networks it names, and their addresses."""
SEGMENTATION = ("4711", "vxlan")
MINE = {"id": "open_subnet", "network_id": "open", "key": "team"}
NULLED = ("neutron_net_id", "neutron_subnet_id", "network_type", "segmentation_id", "cidr")
RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+")
VERSIONS = [str(version) for version, _ in HISTORY]


@pytest.fixture
def names(client: Any) -> dict[str, str]:
    """Red's public share network ``open``, and a share of red's and of blue's on it."""
    found = roles.scene(client.db)
    for who in ("alice", "bob"):
        share = {"share_proto": "NFS", "size": 1, "share_type": "silver", "name": f"of-{who}"}
        share["share_network_id"] = found["open"]
        answer = client.call(who, "POST", "/v2/shares", version="2.65", body={"share": share})
        assert answer.status_code == 200
        found[who] = answer.json["share"]["id"]
    return found


def urls(names: dict[str, str]) -> set[str]:
    """Everything that can be read of the share network, and the lists that it is in."""
    found = set()
    for route in ROUTES:
        if route.method == "GET" and route.path.split("/")[1] == "share-networks":
            things = {
                "id": "open" if route.path.startswith("/share-networks/{id}") else "open_subnet"
            }
            ids = {key: names.get(name, name) for key, name in {**MINE, **things}.items()}
            found.add(route.path.format(**ids))
    return found | {f"/shares/{names['bob']}", "/shares/detail", "/messages"}


def said(client: Any, who: str, names: dict[str, str], version: str) -> str:
    """All answers to it, as text, without IDs and times, which may look like anything."""
    texts = []
    for url in sorted(urls(names)):
        answer = client.call(who, "GET", f"/v2{url}", version=version)
        assert answer.status_code in {200, 403, 404}, (url, version)
        texts.append(answer.text)
    return RANDOM.sub("", " ".join(texts))


@pytest.mark.parametrize("who", ["bob", "ben"])
def test_other_projects_see_nothing_of_it(client: Any, names: dict[str, str], who: str) -> None:
    """At no version, in no answer: neither values nor, in numbers, what they are."""
    for version in VERSIONS:
        text = said(client, who, names, version)
        found = [word for word in (*PROVIDER, *SEGMENTATION) if word in text]
        assert not found, f"{version}: {found}"
        assert "of-alice" not in text, version


def test_its_project_sees_addresses_and_no_segmentation(client: Any, names: dict[str, str]) -> None:
    """The owner's members see what they named, and what the network is only in addresses."""
    for version in ("2.0", "2.20", "2.51", VERSIONS[-1]):
        text = said(client, "alice", names, version)
        assert all(word in text for word in PROVIDER), version
        assert not any(word in text for word in SEGMENTATION), version
        assert "of-bob" not in text, version


def test_an_administrator_sees_all(client: Any, names: dict[str, str]) -> None:
    """So the words searched for are there to be found."""
    text = said(client, "admin", names, VERSIONS[-1])
    assert all(word in text for word in (*PROVIDER, *SEGMENTATION))


def test_the_keys_stay(client: Any, names: dict[str, str]) -> None:
    """Clients that need the keys find them, with null."""
    answer = client.call("bob", "GET", f"/v2/share-networks/{names['open']}")
    assert {key: answer.json["share_network"][key] for key in NULLED} == dict.fromkeys(NULLED)


@pytest.mark.parametrize("key", sorted(share_networks.SORT_KEYS))
def test_no_sort_key_tells(client: Any, names: dict[str, str], key: str) -> None:
    """What may be sorted by is what everybody sees."""
    answer = client.call("bob", "GET", f"/v2/share-networks/detail?sort_key={key}", version="2.65")
    assert answer.status_code == 200
    shown = [item for item in answer.json["share_networks"] if item["id"] == names["open"]]
    assert shown
    assert key == "id" or shown[0][key] is not None or key == "updated_at"
