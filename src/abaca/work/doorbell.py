"""Wakes the workers of this process when a task was queued; only ever saves time."""

from __future__ import annotations

import threading


class Doorbell:
    """Counts rings; a waiter sees the rings that came since it last looked."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        """How often it has rung so far: read this before looking for work."""
        return self._rings

    def ring(self) -> None:
        """Wake every waiter."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Return once it has rung more than ``seen`` times, or after so many seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings > seen, seconds)


doorbell = Doorbell()
"""One for the process: whom it wakes for nothing looks once, and sleeps again."""
