"""What a storm asks for, drawn beforehand: the same again for the same seed, however it goes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
VERBS = (
    *(["create"] * 4),
    "delete",
    "extend",
    "shrink",
    "allow",
    "deny",
    *(["snapshot"] * 2),
    "unsnapshot",
    "revert",
    "clone",
    *(["write"] * 2),
    "add_subnet",
    "remove_subnet",
    "keep_servers",
    "delete_server",
    "unmanage_server",
    "manage_server",
)
"""Kinds of requests, the frequent ones more than once."""
MOST = 1 << 30
LONGEST_PAUSE = 0.05


@dataclass(frozen=True, kw_only=True)
class Order:
    """One request. What it is about is what its numbers come to among all that there is then."""

    verb: str
    customer: int
    first: int
    second: int
    pause: float
    """Seconds after it."""

    def pick(self, items: Sequence[T]) -> T:
        """One of these, which are not none."""
        return items[self.first % len(items)]

    def pick_next(self, items: Sequence[T]) -> T:
        """One of others."""
        return items[self.second % len(items)]


def plan(chance: random.Random, length: int, customers: int) -> tuple[Order, ...]:
    """So many requests of so many customers."""
    return tuple(
        Order(
            verb=chance.choice(VERBS),
            customer=chance.randrange(customers),
            first=chance.randrange(MOST),
            second=chance.randrange(MOST),
            pause=chance.uniform(0, LONGEST_PAUSE),
        )
        for _ in range(length)
    )
