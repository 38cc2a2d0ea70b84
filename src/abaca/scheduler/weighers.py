"""Pure weighers: the pools that will do, best first."""

from __future__ import annotations

from collections.abc import Iterable

from abaca.model.pool import Pool


def by_free_space(pools: Iterable[Pool]) -> list[Pool]:
    """Most free space first; by name where it is equal, so that the order is always the same."""
    return sorted(pools, key=lambda pool: (-pool.free_gib, pool.full_name))
