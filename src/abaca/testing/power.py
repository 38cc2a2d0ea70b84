"""Cutting the power after any call to the world outside: how idempotency is put to the test."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any


class PowerCut(BaseException):
    """Nothing after this happens. Not an `Exception`, so that nobody handles it."""


class Power:
    """Counts calls that changed or asked the world; cuts after the one it was told.

    After a call that only asks, the world is as it was after the one before: where calls
    take long, those need not count.
    """

    def __init__(self) -> None:
        self.calls = 0
        """So many were done."""
        self._left: int | None = None

    def cut_after(self, calls: int | None) -> None:
        """Cut when this many more calls are done; never if None."""
        self._left = calls

    def tick(self, _call: str = "", *, asked: bool = False) -> None:
        """One call is done; there is no cut after one that only ``asked``."""
        self.calls += 1
        if self._left is None or asked:
            return
        self._left -= 1
        if self._left <= 0:
            self._left = None
            raise PowerCut

    def wired(self, target: Any, asking: Collection[str] = ()) -> Any:  # noqa: ANN401 - a proxy has the type of what it stands for
        """The same object, each of whose method calls ticks when it is done.

        ``asking``: names of those after which nothing is cut, since they only ask.
        """
        return _Wired(target, self, frozenset(asking))


class _Wired:
    def __init__(self, target: object, power: Power, asking: frozenset[str]) -> None:
        self._target = target
        self._power = power
        self._asking = asking

    def __getattr__(self, name: str) -> object:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: object, **kwargs: object) -> object:
            result = found(*args, **kwargs)
            self._power.tick(name, asked=name in self._asking)
            return result

        return call
