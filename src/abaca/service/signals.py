"""Signals of a service: to stop (SIGTERM, SIGINT), and to read its configuration again (SIGHUP)."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP


class Signals:
    """What this process was told, in the order it came."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self.stopping = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """For `signal.signal`."""
        self.stopping = self.stopping or number in STOP

    def until_stop(self, reload: Callable[[], None]) -> None:
        """Wait; call ``reload`` in this thread for each SIGHUP meanwhile."""
        while not self.stopping:
            number = self._told.recv(1)[0]
            if number == RELOAD:
                reload()
            # The interpreter may call `handle` later than the byte is read.
            self.stopping = self.stopping or number in STOP


@contextmanager
def handled() -> Iterator[Signals]:
    """The process's signals, inside the block; main thread only."""
    tell, hear = socket.socketpair()
    with closing(tell), closing(hear):
        tell.setblocking(False)
        told = Signals(hear)
        # The signal itself writes there. A handler of Python's runs once the main thread
        # is back in the interpreter: never, if it was about to wait for a lock.
        waking = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, told.handle) for number in (*STOP, RELOAD)}
        try:
            yield told
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(waking)
