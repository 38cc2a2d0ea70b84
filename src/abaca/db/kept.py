"""What was read of rows that have not changed since, so that it need not be read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
SECONDS = 10.0
"""Then everything is read anew: rows that were changed by hand, or by an older Abaca that
does not count their revision, are seen after this time at the latest."""
MOST = 4096
"""How many things are kept; one more, and all are read anew."""


class Kept(Generic[T]):
    """Things by what changes whenever they do. Thread-safe.

    Filled by transactions that read: what another one has seen of its own changes may
    never be committed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._things: dict[str, T] = {}
        self._until = 0.0

    def of(self, tags: Sequence[str]) -> list[T | None]:
        """What is kept under each of these."""
        moment = self._clock()
        if moment > self._until or len(self._things) > MOST:
            self._things, self._until = {}, moment + SECONDS
        return list(map(self._things.get, tags))

    def keep(self, things: Mapping[str, T]) -> None:
        """Have these at hand."""
        self._things.update(things)
