"""How long failed work waits for its next attempt."""

from __future__ import annotations

from abaca.work.run import RetryOptions


def test_each_attempt_waits_longer_up_to_a_bound() -> None:
    """Twice as long each time, never longer than allowed, and not everybody at the same moment."""
    options = RetryOptions(first=0.5, longest=60, jitter=0.5)
    for attempt in range(1, 30):
        least = min(0.5 * 2 ** (attempt - 1), 60)
        waits = [options.delay(attempt) for _ in range(20)]
        assert least <= min(waits) < max(waits) <= least + 0.5
