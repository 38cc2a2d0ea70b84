"""What the conformance suite for network plugins is given, and the hands that it works with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from abaca.errors import NetworkUnavailable
from abaca.modes import DriverMode
from abaca.network.plugin import (
    AddressLedger,
    Allocation,
    Claim,
    Label,
    NetworkMaker,
    NetworkPlugin,
    SubnetRef,
)
from abaca.testing.power import Power

PATIENCE_SECONDS = 20
REMOTE_FAULTS = frozenset({"down", "slow", "500", "401", "409", "garbage"})
"""Names of the faults that a plugin with a client library must be tried with, at least."""
R = TypeVar("R")
Failing = AbstractContextManager[NetworkPlugin]
"""As long as it lasts, the calls that this plugin makes to the outside fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A plugin in a small world of its own, and what the suite must be able to do there."""

    make: Callable[[], NetworkPlugin]
    """Another instance on the same world: another process, or the same after a restart."""
    mode: DriverMode
    subnet: SubnetRef
    capacity: int
    """How many addresses share servers can have there: at least 12, and 4 if it is `small`."""
    wrong: Callable[[], tuple[NetworkPlugin, SubnetRef]]
    """A network that can't be used: a subnet that names none, or a section that does.

    May itself raise what the suite expects.
    """
    wrong_values: Mapping[str, object]
    """Values of a network section that `faults` finds something in."""
    power: Power
    """Ticks after each call that the plugin makes to the outside; those that ask may not cut."""
    lose: Callable[[Allocation], None]
    """Delete the thing behind an allocation, behind the plugin's back."""
    vanish: Callable[[], None]
    """Delete the network that ``subnet`` names, if a tenant could."""
    left: Callable[[], Collection[str]]
    """What of the plugin's is in the world: ports, addresses, networks, routers."""
    faults: Mapping[str, Callable[[], Failing]]
    """By name, how the outside can fail; with a client library at least `REMOTE_FAULTS`."""
    foreign: Collection[type[Exception]] = ()
    """The exception classes of the libraries that the plugin stands on."""
    raising: Callable[[Exception], Failing] | None = None
    """A plugin to whose calls to the outside its library answers with that exception."""
    in_process: Callable[[], NetworkPlugin] | None = None
    """As ``make``, able to travel to another process; None where the world is in memory."""
    host: str = "host1"
    values: Mapping[str, object] | None = None
    """Those of the section; for plugins that are `HasPools` or `NeedsWires`."""
    ledger: AddressLedger | None = None
    """The one that instances are lent; for plugins that are `HasPools`."""
    without_wires: Callable[[], NetworkPlugin] | None = None
    """An instance that is lent no `Fabric`; for plugins that are `NeedsWires`."""
    places: Callable[[Allocation], Collection[str]] | None = None
    """The hosts on which an allocation can be used now; for plugins that are `Rebindable`."""


def claims(
    subject: Subject, count: int, *, owner: str | None = None, label: Label = Label.USER
) -> list[Claim]:
    """Claims of one share server, a new one if none is named."""
    owner = owner or str(uuid.uuid4())
    return [
        Claim(owner=owner, label=label, subnet=subject.subnet.key, index=index)
        for index in range(count)
    ]


def allocate(
    subject: Subject, wanted: Sequence[Claim], plugin: NetworkPlugin | None = None
) -> list[Allocation]:
    """As the helper does: the network first, then the addresses; again while unavailable."""
    return allocate_on(plugin or subject.make(), subject.subnet, wanted, subject.host)


def allocate_on(
    plugin: NetworkPlugin, subnet: SubnetRef, wanted: Sequence[Claim], host: str
) -> list[Allocation]:
    """The same without a subject, for another process."""

    def attempt() -> list[Allocation]:
        if isinstance(plugin, NetworkMaker):
            plugin.ensure_network(subnet, host=host)
        return plugin.allocate(subnet, wanted, host=host)

    return _patiently(attempt)


def release(subject: Subject, held: Collection[Claim]) -> None:
    """As the helper does at removal of the last server: the addresses, then the network."""
    plugin = subject.make()
    _patiently(lambda: plugin.release(held))
    if isinstance(plugin, NetworkMaker):
        maker: NetworkMaker = plugin
        _patiently(lambda: maker.remove_network(subject.subnet, host=subject.host))


def in_other_process(
    world: tuple[Callable[[], NetworkPlugin], SubnetRef, str], owners: Sequence[str]
) -> list[str]:
    """Addresses that an instance made there gets, one owner after the other."""
    make, subnet, host = world
    plugin = make()
    found = []
    for owner in owners:
        claim = Claim(owner=owner, label=Label.USER, subnet=subnet.key, index=0)
        for item in allocate_on(plugin, subnet, [claim], host):
            found += [str(address) for address in item.addresses]
    return found


def _patiently(work: Callable[[], R]) -> R:
    """What has not converged is tried again: two may be in each other's way for a moment."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NetworkUnavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    )(work)
