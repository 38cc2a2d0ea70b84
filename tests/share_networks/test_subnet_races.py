"""Subnets that are removed while shares are being made on them.

On a real SQLite database, by two API processes' connections, with a share
manager that works meanwhile.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from abaca.db.tables import (
    allocations,
    messages,
    share_instances,
    share_network_subnets,
    share_servers,
)
from share_networks.test_races import Site, site_on, together

ROUNDS = 20


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """One whose share servers and addresses take their time."""
    with site_on(database_url) as found:
        found.driver.delays["ensure_server"] = 0.02
        found.cloud.delays["allocate"] = 0.01
        yield found


def subnet(site: Site, network: str, net: str, *, by: int = 0, who: str = "alice") -> Any:
    """Ask for a subnet on this network of the cloud."""
    names = {"neutron_net_id": net, "neutron_subnet_id": net}
    answer = site.clients[by].call(
        who,
        "POST",
        f"/v2/share-networks/{network}/subnets",
        version="2.70",
        body={"share-network-subnet": names},
    )
    assert answer.status_code < 500, answer.text
    return answer


def added(site: Site, network: str, net: str) -> str:
    """A new subnet; its ID."""
    answer = subnet(site, network, net)
    assert answer.status_code == 200, answer.text
    return str(answer.json["share_network_subnet"]["id"])


def remove(site: Site, network: str, subnet_id: str, *, by: int = 0, who: str = "alice") -> Any:
    """Ask to remove a subnet."""
    return site.call(who, "DELETE", f"/share-networks/{network}/subnets/{subnet_id}", by=by)


def check(site: Site) -> None:
    """With nothing under way: servers, addresses and shares are where the subnets are."""
    with site.dbs[0].read() as tx:
        servers = {row.id: row for row in tx.execute(select(share_servers))}
        rows = list(tx.execute(select(allocations)))
        subnets = list(tx.execute(select(share_network_subnets)))
        shares = list(tx.execute(select(share_instances)))
        told = set(tx.execute(select(messages.c.resource_id)).scalars())
    places = Counter((row.host, row.share_network_id) for row in servers.values() if row.slot)
    assert set(places.values()) <= {1}, "a share server twice"
    ports = Counter(
        (port.claim.owner, port.claim.subnet) for port in site.cloud.ports if port.claim
    )
    assert ports == Counter((row.share_server_id, row.subnet_key) for row in rows)
    given = [address for port in site.cloud.ports for address in _wired(port)]
    assert len(given) == len(set(given)), "an address twice"
    for share in shares:
        assert share.status == "available" or (share.status == "error" and share.share_id in told)
    for server in (row for row in servers.values() if row.status == "active"):
        wanted = {row.id for row in subnets if row.share_network_id == server.share_network_id}
        held = {row.subnet_key for row in rows if row.share_server_id == server.id}
        assert held == (wanted or {server.share_network_id})
        assert len(site.driver.world.servers[server.id].addresses) == len(held)
    assert set(site.driver.world.servers) <= set(servers)


def _wired(port: Any) -> list[tuple[str, str]]:
    """An address is one on its wire."""
    return [(port.allocation.segment.wire, str(item)) for item in port.allocation.addresses]


def end(site: Site, networks: list[str]) -> None:
    """Once the shares have gone nothing is left, and every network can be deleted."""
    with site.dbs[0].read() as tx:
        shares = list(tx.execute(select(share_instances.c.share_id)).scalars())
    for share in shares:
        assert site.delete_share(share).status_code == 202
    site.until_idle()
    assert not site.cloud.ports
    assert not site.driver.world.servers
    assert {site.delete(network).status_code for network in networks} == {202}


def test_the_only_subnet_goes_while_a_share_is_made(site: Site) -> None:
    """One of the two wins: a share on the subnet, which stays, or one on a network made for it."""
    networks = []
    with site.managed():
        for number in range(ROUNDS):
            network, by = site.network(), number % 2
            only = added(site, network, f"net-{number}")
            codes = together(
                lambda it=network, n=by: site.share("red", it, by=n),
                lambda it=network, n=by, s=only: remove(site, it, s, by=1 - n),
            )
            assert codes in ([200, 202], [200, 409])
            networks.append(network)
        site.until_idle()
        check(site)
        end(site, networks)


def test_one_of_two_goes_while_shares_are_made(site: Site) -> None:
    """The share server is on the one that stays, whenever the other goes."""
    networks = []

    def later(number: int, network: str, goes: str, by: int) -> Any:
        time.sleep(number / 100)
        return remove(site, network, goes, by=by)

    with site.managed():
        for number in range(ROUNDS):
            network, by = site.network(), number % 2
            goes, _stays = added(site, network, "net-a"), added(site, network, "net-b")
            codes = together(
                lambda it=network, n=by: site.share("red", it, by=n),
                lambda it=network, n=by: site.share("red", it, by=1 - n),
                lambda it=network, n=by, s=goes, no=number: later(no, it, s, n),
            )
            assert codes == [200, 200, 202]
            networks.append(network)
        site.until_idle()
        check(site)
        with site.dbs[0].read() as tx:
            assert len(list(tx.execute(select(share_servers.c.id)))) == ROUNDS
        end(site, networks)


def test_subnets_come_and_go_at_random(site: Site) -> None:
    """Threads add and remove subnets and shares: refused with a reason, or followed."""
    networks = [site.network() for _ in range(3)]
    for network in networks:
        added(site, network, "net-0")

    def user(seed: int) -> None:
        dice, mine, by = random.Random(seed), [], seed % 2  # noqa: S311 - a game, no secret
        for _ in range(20):
            network = dice.choice(networks)
            match dice.choice(["share", "share", "gone", "add", "remove", "remove"]):
                case "share":
                    answer = site.share("red", network, by=by)
                    assert answer.status_code == 200
                    mine.append(answer.json["share"]["id"])
                case "gone" if mine:
                    assert site.delete_share(mine.pop(), by=by).status_code == 202
                case "add":
                    answer = subnet(site, network, f"net-{dice.randrange(4)}", by=by)
                    assert answer.status_code in {200, 409}
                case "remove":
                    shown = site.call("alice", "GET", f"/share-networks/{network}", by=by)
                    there = shown.json["share_network"]["share_network_subnets"]
                    for one in there[:1]:
                        answer = remove(site, network, one["id"], by=by)
                        assert answer.status_code in {202, 404, 409}

    with site.managed():
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(user, range(4)))
        site.until_idle()
        check(site)
        end(site, networks)
