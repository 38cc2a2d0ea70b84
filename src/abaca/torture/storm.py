"""Many tenants who ask for whatever they like, while managers are killed at random."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

from abaca.errors import AbacaError
from abaca.states import ServerStatus, ShareStatus, SnapshotStatus
from abaca.torture.asking import Tenant
from abaca.torture.nursery import alive
from abaca.torture.operations import EVERYBODY
from abaca.torture.plan import Order, plan
from abaca.torture.report import Report
from abaca.torture.site import Setting, Site, Wrong
from abaca.torture.trial import Trials

OPERATIONS = 1000
TENANTS = 12
CUSTOMERS = [f"storm{number}" for number in range(TENANTS)]
ADDRESSES = (EVERYBODY, "10.0.0.0/8", "192.0.2.7")
ADOPTING = "flat"
"""The backend whose share servers are unmanaged and managed: its addresses stay theirs."""
SERVER_VERBS = frozenset(
    {
        "add_subnet", "remove_subnet",
        "keep_servers", "delete_server", "unmanage_server", "manage_server",
    }
)  # fmt: skip
"""About no share."""
MANAGERS = 2
MOST_SHARES = 4
"""Of one tenant at a time."""
KILL_EVERY = (0.3, 2.0)
SETTLE_SECONDS = 90.0


@dataclass(kw_only=True)
class Wanted:
    """A share that was accepted, and what it is to be."""

    setting: Setting
    size: int = 1
    rules: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    snapshots: dict[str, set[str]] = field(default_factory=dict)
    """What was in it when it was taken, by snapshot."""


@dataclass(kw_only=True)
class Customer:
    """A tenant, and everything that they were granted."""

    tenant: Tenant
    networks: dict[str, str] = field(default_factory=dict)
    """Share networks, by backend."""
    second: str | None = None
    """The second subnet of the one with subnets."""
    shares: dict[str, Wanted] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    """Share servers that were unmanaged, as their backend calls them."""


@dataclass(kw_only=True)
class Storm:
    """Operations by many tenants; whatever was accepted must come to be."""

    report: Report
    trials: Trials
    chance: random.Random
    customers: list[Customer] = field(default_factory=list)
    kills: random.Random = field(init=False)
    """Of their own: they come by the clock, the requests by their number."""
    orders: tuple[Order, ...] = field(init=False)
    next_kill: float = 0.0
    deaths: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        """Draw all that is drawn: the requests first."""
        self.orders = plan(self.chance, OPERATIONS, TENANTS)
        self.kills = random.Random(self.chance.random())  # noqa: S311 - to be had again

    @property
    def site(self) -> Site:
        """Where it rages."""
        return self.trials.site

    def run(self, seconds: float) -> None:
        """All that was planned, or so long; then all that was accepted is there, and goes."""
        site = self.site
        self._gather()
        while len(site.processes) < MANAGERS:
            site.start()
        site.patience = SETTLE_SECONDS
        end = time.monotonic() + seconds
        for number, order in enumerate(self.orders):
            self._one(order)
            self._torment()
            if time.monotonic() > end:
                break
            if number % 100 == 0:
                self.report.say(f"torture: storm, {number} operations, {self.deaths} kills")
        site.settle()
        self._all_right()
        self._end()
        self.report.done("storms")
        self.report.say(f"torture: storm, {self.deaths} kills, {self.refused} refused requests")

    def _gather(self) -> None:
        """The customers, each with share networks; those of one backend may get a second subnet."""
        for name in CUSTOMERS:
            customer = Customer(tenant=self.site.tenant(name))
            for setting in self.site.settings:
                if setting.mode.has_share_servers:
                    first = next(iter(setting.tenant_networks), None)
                    customer.networks[setting.backend] = customer.tenant.network(first)
            self.customers.append(customer)

    def _one(self, order: Order) -> None:
        """One request; refusals are what a tenant may get, and change nothing."""
        customer = self.customers[order.customer]
        try:
            if order.verb in {"create", *SERVER_VERBS}:
                asked = getattr(self, f"_{order.verb}")(customer, order)
            elif customer.shares:
                share = order.pick(list(customer.shares))
                asked = getattr(self, f"_{order.verb}")(customer, share, order)
            else:
                return
        except AbacaError:
            self.refused += 1
        else:
            if asked is not False:
                self.report.by_kind["operations of storms"] += 1
        time.sleep(order.pause)

    def _torment(self) -> None:
        """Kill a manager now and then; whoever is dead is started again."""
        now = time.monotonic()
        if now > self.next_kill:
            self.next_kill = now + self.kills.uniform(*KILL_EVERY)
            victims = [item for item in self.site.processes if alive(item)]
            if victims:
                with suppress(ProcessLookupError):
                    os.kill(self.kills.choice(victims), signal.SIGKILL)
                self.deaths += 1
        elif self.next_kill - now < KILL_EVERY[0]:
            self.site.revive()

    def _create(self, customer: Customer, order: Order) -> bool:
        if len(customer.shares) >= MOST_SHARES:
            return False
        setting = order.pick(self.site.settings)
        network = customer.networks.get(setting.backend)
        share = customer.tenant.share(setting.backend, network=network)
        customer.shares[share] = Wanted(setting=setting)
        return True

    def _delete(self, customer: Customer, share: str, _order: Order) -> None:
        customer.tenant.delete(share)
        del customer.shares[share]

    def _extend(self, customer: Customer, share: str, _order: Order) -> None:
        wanted = customer.shares[share]
        customer.tenant.extend(share, wanted.size + 1)
        wanted.size += 1

    def _shrink(self, customer: Customer, share: str, _order: Order) -> bool:
        wanted = customer.shares[share]
        if wanted.size == 1:
            return False
        customer.tenant.shrink(share, wanted.size - 1)
        wanted.size -= 1
        return True

    def _allow(self, customer: Customer, share: str, order: Order) -> None:
        to = order.pick_next(ADDRESSES)
        customer.tenant.allow(share, to)
        customer.shares[share].rules.add(to)

    def _deny(self, customer: Customer, share: str, order: Order) -> bool:
        rules = customer.shares[share].rules
        if not rules:
            return False
        to = order.pick_next(sorted(rules))
        customer.tenant.deny_address(share, to)
        rules.discard(to)
        return True

    def _snapshot(self, customer: Customer, share: str, _order: Order) -> None:
        """Nothing is written while it is taken."""
        wanted = customer.shares[share]
        wanted.snapshots[customer.tenant.snapshot(share)] = set(wanted.data)

    def _unsnapshot(self, customer: Customer, share: str, order: Order) -> bool:
        snapshots = customer.shares[share].snapshots
        if not snapshots:
            return False
        snapshot = order.pick_next(list(snapshots))
        customer.tenant.delete_snapshot(snapshot)
        del snapshots[snapshot]
        return True

    def _revert(self, customer: Customer, share: str, _order: Order) -> bool:
        """To the latest, which is the only one that it may be."""
        wanted = customer.shares[share]
        if not wanted.snapshots:
            return False
        latest = list(wanted.snapshots)[-1]
        customer.tenant.revert(share, latest)
        wanted.data = set(wanted.snapshots[latest])
        wanted.size = customer.tenant.size(share)
        return True

    def _clone(self, customer: Customer, share: str, order: Order) -> bool:
        wanted = customer.shares[share]
        if not wanted.snapshots or len(customer.shares) >= MOST_SHARES:
            return False
        snapshot, data = order.pick_next(list(wanted.snapshots.items()))
        network = customer.networks.get(wanted.setting.backend)
        made = customer.tenant.share(
            wanted.setting.backend, network=network, snapshot=snapshot, size=None
        )
        # The snapshot may be larger than what is known of the share by now.
        size = customer.tenant.size(made)
        customer.shares[made] = Wanted(setting=wanted.setting, data=set(data), size=size)
        return True

    def _write(self, customer: Customer, share: str, order: Order) -> bool:
        """As a client would: it fails while the share is not served."""
        seen = customer.tenant.read(share)
        mine = customer.tenant.snapshots_of(share)
        states = customer.tenant.snapshots()
        quiet = all(states.get(item) == SnapshotStatus.AVAILABLE for item in mine)
        if seen is None or seen.instance.status is not ShareStatus.AVAILABLE or not quiet:
            return False
        name = f"w{order.second % 10**6}"
        with suppress(OSError):
            self.site.world.write(seen, name)
            customer.shares[share].data.add(name)
        return True

    def _add_subnet(self, customer: Customer, _order: Order) -> bool:
        if customer.second is not None:
            return False
        customer.second = customer.tenant.add_subnet(*self._subnet(customer))
        return True

    def _remove_subnet(self, customer: Customer, _order: Order) -> bool:
        if customer.second is None:
            return False
        customer.tenant.remove_subnet(self._subnet(customer)[0], customer.second)
        customer.second = None
        return True

    def _subnet(self, customer: Customer) -> tuple[str, str]:
        """The share network that may have a second subnet, and the network that it is on."""
        setting = next(item for item in self.site.settings if item.tenant_networks)
        return customer.networks[setting.backend], setting.tenant_networks[1]

    def _keep_servers(self, customer: Customer, _order: Order) -> None:
        """Those that there are outlive their last shares."""
        customer.tenant.keep_servers()

    def _delete_server(self, customer: Customer, order: Order) -> bool:
        """An administrator's; refused while shares are on it."""
        servers = list(customer.tenant.servers())
        if servers:
            self._admin.delete_server(order.pick(servers))
        return bool(servers)

    def _unmanage_server(self, customer: Customer, order: Order) -> bool:
        """An administrator's; refused while shares are on it."""
        servers = customer.tenant.identifiers(f"node@{ADOPTING}")
        if not servers:
            return False
        server = order.pick(list(servers))
        self._admin.unmanage_server(server)
        customer.left.append(servers[server])
        return True

    def _manage_server(self, customer: Customer, _order: Order) -> bool:
        """An administrator's; refused while another one is in its place."""
        if not customer.left:
            return False
        self._admin.manage_server(
            f"node@{ADOPTING}", customer.left[-1], customer.networks[ADOPTING]
        )
        customer.left.pop()
        return True

    @property
    def _admin(self) -> Tenant:
        return self.site.tenant("ops", admin=True)

    def _all_right(self) -> None:
        """Every accepted share is available as it was last wanted, none is there twice."""
        for customer in self.customers:
            there = customer.tenant.shares()
            if set(there) != set(customer.shares):
                raise Wrong("lost", f"{sorted(there)}, not {sorted(customer.shares)}")
            for share, wanted in customer.shares.items():
                self._right(customer.tenant, share, wanted)
        try:
            self.trials.keeps()
        except (AssertionError, OSError) as error:
            raise Wrong("lost", str(error)) from error
        strays = self.site.world.strays()
        if strays:
            raise Wrong("leaked", "\n".join(strays))

    def _right(self, tenant: Tenant, share: str, wanted: Wanted) -> None:
        seen = tenant.read(share)
        if seen is None or seen.instance.status is not ShareStatus.AVAILABLE:
            said = "\n".join(tenant.messages(share))
            raise Wrong("lost", f"{share}: {seen}\n{said}\n{self.site.log()}")
        rules = set(tenant.rules(share))
        if (seen.size, rules) != (wanted.size, wanted.rules):
            text = f"{share}: {seen.size} GiB, {rules}; not {wanted.size} GiB, {wanted.rules}"
            raise Wrong("lost", text)
        try:
            data = self.site.world.names(seen)
        except (AssertionError, OSError) as error:
            raise Wrong("lost", f"{error}\n{self.site.log()}") from error
        if wanted.data != data:
            raise Wrong("lost", f"{share} on {seen.instance.host}: {data}, not {wanted.data}")

    def _end(self) -> None:
        """Everything goes; what is left is what was before."""
        for customer in self.customers:
            for snapshot in customer.tenant.snapshots():
                customer.tenant.delete_snapshot(snapshot)
        self.site.settle()
        for customer in self.customers:
            for share in customer.tenant.shares():
                customer.tenant.delete(share)
        self.site.settle()
        self._end_servers()
        for customer in self.customers:
            for network in customer.networks.values():
                customer.tenant.delete_network(network)
        self.site.settle()
        self.trials.same(self.trials.base)
        self.site.restart()
        self.site.settle()

    def _end_servers(self) -> None:
        """Those that were kept go, those that were left are adopted one by one, and go too."""
        for customer in self.customers:
            while True:
                called = customer.tenant.identifiers(f"node@{ADOPTING}")
                for server, status in customer.tenant.servers().items():
                    if status == ServerStatus.MANAGE_ERROR:
                        # Another one was made in its place while it was adopted.
                        self._admin.unmanage_server(server)
                        customer.left.append(called[server])
                    else:
                        self._admin.delete_server(server)
                self.site.settle()
                if not customer.left:
                    break
                self._admin.manage_server(
                    f"node@{ADOPTING}", customer.left.pop(), customer.networks[ADOPTING]
                )
                self.site.settle()
