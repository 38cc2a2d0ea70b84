"""Which demonstrations are taken for aborted ones."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from abaca.demo import leftovers

MANY = 300


def test_one_that_begins_is_never_taken_for_an_aborted_one(tmp_path: Path) -> None:
    """Whoever looks meanwhile finds it with its owner, or not at all."""

    def begin() -> None:
        for number in range(MANY):
            leftovers.claim(tmp_path / f"{leftovers.PREFIX}{number}")

    seen: set[Path] = set()
    with ThreadPoolExecutor(1) as thread:
        beginning = thread.submit(begin)
        while not beginning.done():
            for root in set(tmp_path.glob(f"{leftovers.PREFIX}*")) - seen:
                assert leftovers.owner(root) == os.getpid()
                seen.add(root)
        beginning.result()
    assert {item.name for item in tmp_path.iterdir()} == {
        f"{leftovers.PREFIX}{number}" for number in range(MANY)
    }
