"""Times of many repetitions, and what is told of them. Seconds inside, milliseconds outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def percentile(seconds: Sequence[float], percent: float) -> float:
    """The nearest rank, in milliseconds."""
    ordered = sorted(seconds)
    rank = min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))
    return ordered[rank] * 1000


def timed(action: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def repeated(action: Callable[[], object], times: int, *, warm: int = 1) -> list[float]:
    """How long each of so many calls takes, after some that don't count."""
    for _ in range(warm):
        action()
    return [timed(action) for _ in range(times)]
