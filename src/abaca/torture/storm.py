"""Many tenants who ask for whatever they like, while managers are killed at random."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from abaca.errors import AbacaError, DatabaseUnavailable
from abaca.states import ShareStatus
from abaca.torture.asking import Tenant
from abaca.torture.nursery import alive
from abaca.torture.operations import EVERYBODY
from abaca.torture.report import Report
from abaca.torture.site import Setting, Site, Wrong
from abaca.torture.trial import Trials

TENANTS = 12
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
    """What was in it when it was taken, by snapshot; None of unknown data."""


@dataclass(kw_only=True)
class Customer:
    """A tenant, and everything that they were granted."""

    tenant: Tenant
    networks: dict[str, str] = field(default_factory=dict)
    shares: dict[str, Wanted] = field(default_factory=dict)


@dataclass(kw_only=True)
class Storm:
    """Operations by many tenants; whatever was accepted must come to be."""

    report: Report
    trials: Trials
    chance: random.Random
    customers: list[Customer] = field(default_factory=list)
    next_kill: float = 0.0
    deaths: int = 0
    refused: int = 0

    @property
    def site(self) -> Site:
        """Where it rages."""
        return self.trials.site

    def run(self, operations: int, seconds: float) -> None:
        """So many operations, or so long; then all that was accepted is there, and goes."""
        site = self.site
        for number in range(TENANTS):
            customer = Customer(tenant=site.tenant(f"storm{number}"))
            for setting in site.settings:
                if setting.mode.has_share_servers:
                    customer.networks[setting.backend] = customer.tenant.network()
            self.customers.append(customer)
        while len(site.processes) < MANAGERS:
            site.start()
        site.patience = SETTLE_SECONDS
        end = time.monotonic() + seconds
        for number in range(operations):
            self._one()
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

    def _one(self) -> None:
        """One request; refusals are what a tenant may get, and change nothing."""
        customer = self.chance.choice(self.customers)
        verbs = [self._create] * 3 + [
            self._delete, self._extend, self._shrink, self._allow, self._deny,
            self._snapshot, self._unsnapshot, self._clone, self._write,
        ]  # fmt: skip
        verb: Callable[[Customer], None] = self.chance.choice(verbs)
        try:
            verb(customer)
        except DatabaseUnavailable:
            self.refused += 1
        except AbacaError:
            self.refused += 1
        else:
            self.report.by_kind["operations of storms"] += 1
        time.sleep(self.chance.uniform(0, 0.05))

    def _torment(self) -> None:
        """Kill a manager now and then; whoever is dead is started again."""
        now = time.monotonic()
        if now > self.next_kill:
            self.next_kill = now + self.chance.uniform(*KILL_EVERY)
            victims = [item for item in self.site.processes if alive(item)]
            if victims:
                with suppress(ProcessLookupError):
                    os.kill(self.chance.choice(victims), signal.SIGKILL)
                self.deaths += 1
        elif self.next_kill - now < KILL_EVERY[0]:
            self.site.revive()

    def _some(self, customer: Customer) -> tuple[str, Wanted] | None:
        return self.chance.choice(list(customer.shares.items())) if customer.shares else None

    def _create(self, customer: Customer) -> None:
        if len(customer.shares) >= MOST_SHARES:
            return
        setting = self.chance.choice(self.site.settings)
        network = customer.networks.get(setting.backend)
        share = customer.tenant.share(setting.backend, network=network)
        customer.shares[share] = Wanted(setting=setting)

    def _delete(self, customer: Customer) -> None:
        if (found := self._some(customer)) is None:
            return
        customer.tenant.delete(found[0])
        del customer.shares[found[0]]

    def _extend(self, customer: Customer) -> None:
        if (found := self._some(customer)) is not None:
            customer.tenant.extend(found[0], found[1].size + 1)
            found[1].size += 1

    def _shrink(self, customer: Customer) -> None:
        if (found := self._some(customer)) is not None and found[1].size > 1:
            customer.tenant.shrink(found[0], found[1].size - 1)
            found[1].size -= 1

    def _allow(self, customer: Customer) -> None:
        if (found := self._some(customer)) is not None:
            to = self.chance.choice([EVERYBODY, "10.0.0.0/8", "192.0.2.7"])
            customer.tenant.allow(found[0], to)
            found[1].rules.add(to)

    def _deny(self, customer: Customer) -> None:
        if (found := self._some(customer)) is None or not found[1].rules:
            return
        to = self.chance.choice(sorted(found[1].rules))
        customer.tenant.deny_address(found[0], to)
        found[1].rules.discard(to)

    def _snapshot(self, customer: Customer) -> None:
        """Data written before it was asked for are in it; what is written while it is taken may."""
        if (found := self._some(customer)) is not None:
            snapshot = customer.tenant.snapshot(found[0])
            found[1].snapshots[snapshot] = set(found[1].data)

    def _unsnapshot(self, customer: Customer) -> None:
        if (found := self._some(customer)) is None or not found[1].snapshots:
            return
        snapshot = self.chance.choice(list(found[1].snapshots))
        customer.tenant.delete_snapshot(snapshot)
        del found[1].snapshots[snapshot]

    def _clone(self, customer: Customer) -> None:
        found = self._some(customer)
        if found is None or not found[1].snapshots or len(customer.shares) >= MOST_SHARES:
            return
        snapshot, data = self.chance.choice(list(found[1].snapshots.items()))
        setting = found[1].setting
        network = customer.networks.get(setting.backend)
        share = customer.tenant.share(
            setting.backend, network=network, snapshot=snapshot, size=None
        )
        # The snapshot may be larger than what is known of the share by now.
        size = customer.tenant.size(share)
        customer.shares[share] = Wanted(setting=setting, data=set(data), size=size)

    def _write(self, customer: Customer) -> None:
        """As a client would: it fails while the share is not served."""
        if (found := self._some(customer)) is None:
            return
        seen = customer.tenant.read(found[0])
        quiet = seen is not None and seen.instance.status is ShareStatus.AVAILABLE
        if seen is None or not quiet or customer.tenant.snapshots_of(found[0]):
            return
        name = f"w{self.chance.randrange(10**6)}"
        with suppress(OSError):
            self.site.world.write(seen, name)
            found[1].data.add(name)

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
        if not wanted.data <= data:
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
        for customer in self.customers:
            for network in customer.networks.values():
                customer.tenant.delete_network(network)
        self.site.settle()
        self.trials.same(self.trials.base)
        self.site.restart()
        self.site.settle()
