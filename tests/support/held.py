"""A fake driver that waits in the middle of a verb until the test says go on."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from abaca.drivers.fake import FakeDriver
from abaca.manager.manager import ShareManager
from abaca.modes import DriverMode
from abaca.testing.wait import until
from abaca.work.lease import Lease
from support.task_queue import Gate


class Held(FakeDriver):
    """Every call of the verb waits at the gate, as long as that is not open."""

    def __init__(self, mode: DriverMode, verb: str) -> None:
        super().__init__(mode)
        self.gate = Gate()
        self._held = verb

    def _begin(self, verb: str) -> None:
        super()._begin(verb)
        if verb == self._held:
            self.gate()


class Sleeper(FakeDriver):
    """The first call of the verb sleeps when nothing keeps it any more from what it does."""

    def __init__(self, mode: DriverMode, verb: str) -> None:
        super().__init__(mode)
        self.gate = Gate()
        self._held = verb
        self._at = threading.local()

    def _begin(self, verb: str) -> None:
        super()._begin(verb)
        self._at.verb = verb

    def _alone(self) -> AbstractContextManager[None]:
        if self._at.verb == self._held and not self.gate.reached.is_set():
            self.gate()
        return super()._alone()


def under_way(manager: ShareManager) -> Lease:
    """The only work that goes on: that which is held."""
    live = manager._pool._keeper._live
    until(lambda: len(live) == 1, "all else has ended")
    (found,) = live
    return found
