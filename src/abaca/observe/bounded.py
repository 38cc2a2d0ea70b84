"""Asking what may never answer: a database that hangs must not hang whoever asks about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
SECONDS = 5.0
GIVEN_UP = 3
"""After so many times that long, a run is no longer hoped for: what it hangs on may be back."""
MOST_GIVEN_UP = 2
"""So many of those may hang at the same time: each has a thread, and perhaps a connection."""


class _Run(Generic[T]):
    """One run of the function, for everybody who asked meanwhile."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.begun = time.monotonic()
        self._function = function
        self._done = threading.Event()
        self._answer: T | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._work, name="abaca-bounded", daemon=True).start()

    def _work(self) -> None:
        try:
            self._answer = self._function()
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            self._error = error
        finally:
            self._done.set()

    @property
    def under_way(self) -> bool:
        return not self._done.is_set()

    def wait(self, seconds: float) -> T:
        if not self._done.wait(seconds):
            raise TimeoutError(f"no answer for {seconds:g} s")
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]


class Bounded(Generic[T]):
    """The function's answer, or its error, or TimeoutError after so many seconds.

    Who asks while it runs gets the same answer, so one that hangs holds one thread, however
    often it is asked for; another is tried only after some time (`GIVEN_UP`), and none while
    `MOST_GIVEN_UP` hang besides.
    """

    def __init__(self, function: Callable[[], T], seconds: float = SECONDS) -> None:
        self._function = function
        self._seconds = seconds
        self._lock = threading.Lock()
        self._run: _Run[T] | None = None
        self._given_up: list[_Run[T]] = []

    def __call__(self) -> T:
        """Ask."""
        with self._lock:
            if self._run is None or not self._run.under_way or self._gives_up(self._run):
                self._run = _Run(self._function)
            run = self._run
        return run.wait(self._seconds)

    def _gives_up(self, run: _Run[T]) -> bool:
        if time.monotonic() - run.begun <= GIVEN_UP * self._seconds:
            return False
        self._given_up = [item for item in self._given_up if item.under_way]
        if len(self._given_up) >= MOST_GIVEN_UP:
            return False
        self._given_up.append(run)
        return True
