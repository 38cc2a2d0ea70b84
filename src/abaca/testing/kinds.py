"""The kinds of case that a network plugin must pass, as data."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])
_ATTRIBUTE = "conformance_kind"


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


def case(kind: Kind) -> Callable[[F], F]:
    """Say of which kind a test is; the report counts it there."""

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, kind)
        return function

    return mark


def kind_of(function: object) -> Kind | None:
    """Of which kind the test is; None if it is no case of the suite."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Kind) else None
