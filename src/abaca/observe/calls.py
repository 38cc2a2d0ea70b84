"""Calls of drivers and network plugins: timed, counted by how they ended, and logged.

An object is wrapped once, where it is put into its place, and whoever calls it
knows nothing of that. Calls on somebody's request are logged at INFO with its
ID, those that managers make by themselves at DEBUG.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import structlog
from prometheus_client import Histogram

from abaca.errors import AbacaError, WorkInterrupted
from abaca.observe.metrics import OK, since

T = TypeVar("T")
log = structlog.get_logger()
INTERRUPTED = "interrupted"
UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Where the calls of one object are told."""

    event: str
    """What the log line is called."""
    label: str
    """What kind of name it has: ``backend``, ``section``."""
    name: str
    seconds: Histogram
    """By name, verb and outcome."""

    @contextmanager
    def one(self, verb: str) -> Iterator[None]:
        """Around a call."""
        started, outcome, why = time.monotonic(), OK, None
        try:
            yield
        except BaseException as error:
            outcome, why = _outcome(error), str(error)
            raise
        finally:
            took = since(started)
            self.seconds.labels(self.name, verb, outcome).observe(took)
            self._say(verb, outcome, took, why)

    def _say(self, verb: str, outcome: str, took: float, why: str | None) -> None:
        asked = structlog.contextvars.get_contextvars().get("request_id")
        say = log.info if asked else log.debug
        facts: dict[str, object] = {self.label: self.name, "verb": verb, "outcome": outcome}
        if why is not None:
            facts["error"] = why
        say(self.event, **facts, milliseconds=round(took * 1000, 1))


def _outcome(error: BaseException) -> str:
    if isinstance(error, WorkInterrupted) or not isinstance(error, Exception):
        return INTERRUPTED
    return type(error).__name__ if isinstance(error, AbacaError) else UNEXPECTED


class _Watched:
    """Passes everything on; what is made from it has the names of what it watches."""

    __slots__ = ("_target",)

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the target has
        return getattr(self._target, name)


def watched(target: T, contracts: tuple[type, ...], calls: Calls, *, quiet: tuple[str, ...]) -> T:
    """``target`` with the methods that these Protocols ask for told to ``calls``, but the quiet.

    It has the same names as the target, so it is what the target is to ``isinstance``
    with a Protocol; with the target's own class it is not.
    """
    names = {name for name in dir(type(target)) if not name.startswith("_")}
    verbs = (names & _verbs(contracts)) - set(quiet)
    members: dict[str, object] = {name: _passed_on(name) for name in names - verbs}
    members |= {verb: _told(verb, calls) for verb in verbs}
    made = type(f"Watched{type(target).__name__}", (_Watched,), {"__slots__": (), **members})
    return cast("T", made(target))


def _verbs(contracts: tuple[type, ...]) -> set[str]:
    """The methods of the Protocols, but those of the class."""
    return {
        name
        for contract in contracts
        for name, item in vars(contract).items()
        if inspect.isfunction(item) and not name.startswith("_")
    }


def _passed_on(name: str) -> property:
    return property(lambda self: getattr(self._target, name))


def _told(verb: str, calls: Calls) -> Callable[..., object]:
    def call(self: _Watched, *args: object, **kwargs: object) -> object:
        with calls.one(verb):
            return getattr(self._target, verb)(*args, **kwargs)

    return call
