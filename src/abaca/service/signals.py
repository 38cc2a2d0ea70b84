"""Signals of a service: to stop (SIGTERM, SIGINT), and to read its configuration again (SIGHUP)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP


class Signals:
    """What this process was told, in the order it came."""

    def __init__(self) -> None:
        # Its put may be called by a handler that interrupts another put or get.
        self._told: SimpleQueue[int] = SimpleQueue()
        self.stopping = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """For `signal.signal`."""
        self.stopping = self.stopping or number in STOP
        self._told.put(number)

    def until_stop(self, reload: Callable[[], None]) -> None:
        """Wait; call ``reload`` in this thread for each SIGHUP meanwhile."""
        while not self.stopping:
            if self._told.get() == RELOAD:
                reload()


@contextmanager
def handled() -> Iterator[Signals]:
    """The process's signals, inside the block."""
    told = Signals()
    before = {number: signal.signal(number, told.handle) for number in (*STOP, RELOAD)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
