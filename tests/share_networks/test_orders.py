"""Share networks and their subnets: any order of requests and of a share manager's steps.

On a real database. The manager stops before every step of its work, so that
requests fall in between; each answer has to be the one that the order so far demands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from abaca.db.tables import allocations, share_instances, share_networks, share_servers, shares
from share_networks.test_races import Site, site_on
from share_networks.test_subnet_races import check, remove, subnet
from support.databases import main
from support.stepping import SteppedManager

EXAMPLES = {"sqlite": 100}
FEWER = 15
"""Where each commit is a round trip to a server."""
STEPS = 10
AT_ONCE = 2
"""Tasks under way at the same time."""
USERS = ("red", "blue")
PROJECTS = st.sampled_from(USERS)
NETS = st.sampled_from(["net-a", "net-b"])


@dataclass
class Known:
    """A share network as it must be."""

    id: str
    project: str
    public: bool
    gone: bool = False
    subnets: dict[str, str] = field(default_factory=dict)
    """The network that each subnet names, by the subnet's ID."""


class Orders(RuleBasedStateMachine):
    """Share networks, subnets and shares of two projects, as they have to be after each rule."""

    networks = Bundle("networks")
    made = Bundle("made")

    def __init__(self, site: Site) -> None:
        super().__init__()
        site.reset()
        self.site = site
        self.manager = SteppedManager(site.dbs[0], site.backend, at_once=AT_ONCE)
        self.default: Known | None = None
        self.shares: dict[str, tuple[str, Known]] = {}
        self.going: set[str] = set()

    def on(self, network: Known, *, others_only: bool = False) -> int:
        """How many shares are on it, on their way out or not."""
        return sum(
            where is network and (not others_only or project != network.project)
            for project, where in self.shares.values()
        )

    @initialize(target=networks)
    def begin(self) -> Any:
        """Each project has a public share network: blue uses red's; blue's is the default."""
        found = [Known(self.site.network(name, public=True), name, public=True) for name in USERS]
        self.share("blue", found[0])
        self.designate(found[1])
        return multiple(*found)

    @rule(target=networks, project=PROJECTS, public=st.booleans())
    def make(self, project: str, *, public: bool) -> Known:
        """A share network."""
        return Known(self.site.network(project, public=public), project, public)

    @rule(network=networks)
    def publish(self, network: Known) -> None:
        """Publish one: again is the same."""
        answer = self.site.publish(network.id, public=True)
        assert answer.status_code == (404 if network.gone else 200)
        network.public = True

    @rule(network=networks)
    def take_back(self, network: Known) -> None:
        """Refused while it is the default, or others use it."""
        kept = network.public and (
            self.default is network or self.on(network, others_only=True) > 0
        )
        answer = self.site.publish(network.id, public=False)
        assert answer.status_code == (404 if network.gone else 409 if kept else 200)
        network.public = network.public and kept

    @rule(network=networks)
    def delete(self, network: Known) -> None:
        """Refused while it is the default, or anybody uses it."""
        kept = self.default is network or self.on(network) > 0
        answer = self.site.delete(network.id)
        assert answer.status_code == (404 if network.gone else 409 if kept else 202)
        network.gone = network.gone or not kept

    @rule(network=networks)
    def designate(self, network: Known) -> None:
        """Moves the default, to a public one only."""
        answer = self.site.designate(network.id)
        right = network.public and not network.gone
        assert answer.status_code == (404 if network.gone else 200 if right else 409)
        if right:
            self.default = network

    @rule()
    def undesignate(self) -> None:
        """No default."""
        assert self.site.call("admin", "DELETE", "/share-networks/default").status_code == 204
        self.default = None

    @rule(network=networks, net=NETS)
    def add_subnet(self, network: Known, net: str) -> None:
        """Refused if it names the same network again, or servers with shares can't go along."""
        again = net in network.subnets.values()
        moves = not network.subnets and self.bound_to(network, {network.id})
        answer = subnet(self.site, network.id, net, who="admin")
        right = 404 if network.gone else 409 if again or moves else 200
        assert answer.status_code == right, answer.text
        if right == 200:
            network.subnets[answer.json["share_network_subnet"]["id"]] = net

    @rule(network=networks, number=st.integers(0, 1))
    def remove_subnet(self, network: Known, number: int) -> None:
        """Refused if it is the only one of a server with shares."""
        if number >= len(network.subnets):
            return
        gone = list(network.subnets)[number]
        moves = len(network.subnets) == 1 and self.bound_to(network, {gone})
        answer = remove(self.site, network.id, gone, who="admin")
        right = 404 if network.gone else 409 if moves else 202
        assert answer.status_code == right, answer.text
        if right == 202:
            network.subnets.pop(gone)

    def bound_to(self, network: Known, keys: set[str]) -> bool:
        """True if shares are on a server with an address there, or one about to have its first."""
        server, here = share_servers.c, allocations.c
        with self.site.dbs[0].read() as tx:
            used = set(tx.execute(select(share_instances.c.share_server_id)).scalars())
            mine = list(
                tx.execute(
                    select(server.id, server.status).where(server.share_network_id == network.id)
                )
            )
            held = list(tx.execute(select(here.share_server_id, here.subnet_key)))
        has = {owner: {key for it, key in held if it == owner} for owner, _ in held}
        return any(
            one.id in used
            and (has.get(one.id, set()) & keys or (one.id not in has and one.status == "creating"))
            for one in mine
        )

    @rule(target=made, project=PROJECTS, network=networks)
    def share(self, project: str, network: Known) -> Any:
        """On a share network that the project sees."""
        seen = not network.gone and (network.public or network.project == project)
        answer = self.site.share(project, network.id)
        assert answer.status_code == (200 if seen else 404)
        return self.kept(answer, project, network) if seen else multiple()

    @rule(target=made, project=PROJECTS)
    def share_on_default(self, project: str) -> Any:
        """On the default, if there is one."""
        answer = self.site.share(project)
        assert answer.status_code == (400 if self.default is None else 200)
        return multiple() if self.default is None else self.kept(answer, project, self.default)

    def kept(self, answer: Any, project: str, network: Known) -> str:
        """Remember a share."""
        share = answer.json["share"]
        assert share["effective_share_network_id"] == network.id
        self.shares[share["id"]] = (project, network)
        return str(share["id"])

    @rule(share=consumes(made))
    def delete_share(self, share: str) -> None:
        """Accepted at once; it counts until it has gone."""
        assert self.site.delete_share(share).status_code == 202
        self.going.add(share)

    @rule(which=st.integers(0, AT_ONCE - 1), steps=st.sampled_from([1, 1, 2, 4, 8]))
    def work(self, which: int, steps: int) -> None:
        """The share manager begins something, or goes on by a few steps."""
        for _ in range(steps):
            self.manager.step(which)
        self.forget_gone()

    @rule()
    def settle(self) -> None:
        """All that was asked is done; nothing more exists than there are rows for."""
        self.manager.finish()
        self.forget_gone()
        assert not self.going
        self.site.check_world()
        check(self.site)
        with self.site.dbs[0].read() as tx:
            states = set(tx.execute(select(share_instances.c.status)).scalars())
        assert states <= {"available"}

    def forget_gone(self) -> None:
        """Shares go away only if that was asked."""
        with self.site.dbs[0].read() as tx:
            there = set(tx.execute(select(shares.c.id)).scalars())
        gone = set(self.shares) - there
        assert gone <= self.going
        assert there <= set(self.shares)
        self.going -= gone
        for share in gone:
            self.shares.pop(share)

    @invariant()
    def rows(self) -> None:
        """What holds always."""
        self.site.check_rows()

    def teardown(self) -> None:
        """Once all shares have gone so have servers and addresses, and every network can go."""
        for share in set(self.shares) - self.going:
            assert self.site.delete_share(share).status_code == 202
            self.going.add(share)
        self.settle()
        self.undesignate()
        with self.site.dbs[0].read() as tx:
            left = list(tx.execute(select(share_networks.c.id)).scalars())
        assert [self.site.delete(network).status_code for network in left] == [202] * len(left)
        self.manager.finish()
        assert not self.site.cloud.ports
        assert not self.site.driver.world.servers
        with self.site.dbs[0].read() as tx:
            for table in (share_networks, share_servers, allocations):
                assert tx.scalar(select(func.count()).select_from(table)) == 0, table.name


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """One for all orders: making the API anew takes longer than an order."""
    with site_on(database_url) as found:
        yield found


def test_every_order(site: Site) -> None:
    """Many orders of requests and of the steps of the work, some thousand answers."""
    run_state_machine_as_test(
        lambda: Orders(site),
        settings=settings(
            max_examples=EXAMPLES.get(main(), FEWER),
            stateful_step_count=STEPS,
            deadline=None,
            # A shorter order takes minutes to find; the first one found is told step by step.
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
