"""Named steps of long work: progress for people, and the points where a crash is tried.

A function decorated with ``@step("share.create.export")`` is one idempotent
step. Its name is registered when its module is imported, so the crash tests
are parametrised over `names()` and a new step is included by itself. Around
each call two things happen:

- the `Observer` bound to the running thread is told (the task queue records the
  step, and interrupts the work here when its lease is lost or it is superseded);
- the fault points ``NAME:before`` and ``NAME:after`` are reached. They do
  nothing unless the environment says ``ABACA_FAULT=NAME:before[:N]``: then the
  process kills itself with SIGKILL the N-th time (default 1) it gets there
  (with ``ABACA_FAULT_SIGNAL=SIGSTOP``: stops, as if its host had been paused).

Commits of the database are fault points too, named after the step that they are
in, ``commit.STEP``; those outside of steps have a name made with `commit`.
``ABACA_FAULT_TRACE=FILE`` has every fault point that is reached written down.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

FAULT_VARIABLE = "ABACA_FAULT"
SIGNAL_VARIABLE = "ABACA_FAULT_SIGNAL"
TRACE_VARIABLE = "ABACA_FAULT_TRACE"
_commits: set[str] = set()
_names: dict[str, str] = {}
"""The function of each step."""
_hits: Counter[str] = Counter()
_lock = threading.Lock()


class Observer(Protocol):
    """Told at every step; may raise `abaca.errors.WorkInterrupted` to stop the work there."""

    def at(self, name: str) -> None:
        """The step of this name begins now."""


_running: ContextVar[str | None] = ContextVar("abaca_step", default=None)
_observer: ContextVar[Observer | None] = ContextVar("abaca_step_observer", default=None)


def step(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a named idempotent step; ValueError if another function has the name."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        mine = f"{function.__module__}.{function.__qualname__}"
        if _names.setdefault(name, mine) != mine:
            raise ValueError(f"step {name} is {_names[name]} already; {mine} needs another name")

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            observer = _observer.get()
            if observer is not None:
                observer.at(name)
            fault(f"{name}:before")
            token = _running.set(name)
            try:
                result = function(*args, **kwargs)
            finally:
                _running.reset(token)
            fault(f"{name}:after")
            return result

        return run

    return decorate


def names() -> tuple[str, ...]:
    """Every step registered by the modules imported so far, sorted."""
    return tuple(sorted(_names))


def function_of(name: str) -> str:
    """The function of a registered step, with its module. Raises KeyError if there is none."""
    return _names[name]


def commit(name: str) -> str:
    """Register the name of a commit that is in no step, and give it back."""
    _commits.add(name)
    return name


def commits() -> tuple[str, ...]:
    """Every commit so named by the modules imported so far, sorted."""
    return tuple(sorted(_commits))


def running() -> str | None:
    """The innermost step that this thread is in."""
    return _running.get()


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Bind the observer to the steps run by this thread inside the block."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def fault(point: str) -> None:
    """Die here if the environment asks for it (crash tests); otherwise do nothing."""
    trace = os.environ.get(TRACE_VARIABLE)
    if trace:
        with Path(trace).open("a", encoding="utf-8") as file:
            file.write(f"{point}\n")
    wanted = os.environ.get(FAULT_VARIABLE)
    if not wanted or not wanted.startswith(point):
        return
    count = wanted.removeprefix(point).removeprefix(":") or "1"
    if not count.isdigit():
        return
    with _lock:
        _hits[point] += 1
        if _hits[point] == int(count):
            number = signal.Signals[os.environ.get(SIGNAL_VARIABLE, "SIGKILL")]
            os.kill(os.getpid(), number)
