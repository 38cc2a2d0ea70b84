"""The kinds of case that a network plugin must pass, and its optional powers, as data."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from abaca.modes import DriverMode
from abaca.network.plugin import HasPools, NeedsWires, Rebindable, TenantRoutes

F = TypeVar("F", bound=Callable[..., object])
_ATTRIBUTE = "conformance_kind"
NOT_ANNOUNCED = "conformance-not-announced"
"""The property of a test whose plugin does not have the capability that it is a case of."""


class Kind(Enum):
    """Sixteen kinds; the value says what a case of the kind proves."""

    ADDRESSES = "one address per claim inside the CIDR, and never a reserved one"
    REPEATED = "the same claims get the same allocations"
    MORE = "more indexes keep the first"
    TOGETHER = "many owners in many processes get distinct addresses"
    LABELS = "user and admin labels are released apart"
    CRASH = "cut after any outside call: repeated it is whole, released nothing is left"
    RELEASE = "releasing the unknown, twice, or after the subnet has gone succeeds"
    FULL = "a full pool is exhausted, and what is released comes back"
    WRONG = "wrong configuration is InvalidNetwork, and not exhausted"
    OUTAGE = "down, slow, 5xx, 401, 409 or garbage: every verb says that it may be tried again"
    ADOPT = "free addresses are adopted; foreign, outside and gateway ones are refused"
    FORGET = "forgotten addresses are not collected, and stay out of circulation"
    COLLECT = "orphans are removed; the young and those in `keep` are not"
    LOST = "check tells what was deleted outside"
    IPV6 = "an IPv6 /64 is not walked through"
    EXCEPTIONS = "every exception class of a foreign library is mapped"

    @property
    def number(self) -> int:
        """From 1, in the order above."""
        return list(Kind).index(self) + 1


class Capability(Enum):
    """Optional powers; the value says what the cases prove of a plugin that has it."""

    POOLS = "the pools of a section are those of the ledger, and as large as they are said to be"
    WIRES = "a section needs wires if it says so, and works without them if it does not"
    ROUTES = "routes for the tenant lead to its share servers, and to ask for them changes nothing"
    REBINDING = "allocations move to another host with all that they are, or stay"

    @property
    def title(self) -> str:
        """The name of its class in the contract."""
        return _PROTOCOLS[self].__name__

    def is_announced(self, plugin: object, mode: DriverMode) -> bool:
        """True if the plugin has it, for a section of that mode."""
        if self is Capability.POOLS and mode is not DriverMode.FLAT:
            return False
        return isinstance(plugin, _PROTOCOLS[self])


_PROTOCOLS: dict[Capability, type] = {
    Capability.POOLS: HasPools,
    Capability.WIRES: NeedsWires,
    Capability.ROUTES: TenantRoutes,
    Capability.REBINDING: Rebindable,
}
Column = Kind | Capability
"""What the report has a column for."""


def column(name: str) -> Column:
    """By the name of either's member."""
    return Kind[name] if name in Kind.__members__ else Capability[name]


def case(of: Column) -> Callable[[F], F]:
    """Say of which kind a test is, or of which capability; the report counts it there."""

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, of)
        return function

    return mark


def column_of(function: object) -> Column | None:
    """Of what the test is a case; None if it is no case of the suite."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Kind | Capability) else None


def kind_of(function: object) -> Kind | None:
    """Of which kind the test is; None if it is of none."""
    found = column_of(function)
    return found if isinstance(found, Kind) else None
